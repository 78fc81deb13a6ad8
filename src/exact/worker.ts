/** The script of one thread of the exact engine, in Node (worker_threads) and in browsers. */

import { answer } from "../threads/node-thread.ts";
import { serveTasks } from "./serve-tasks.ts";

answer(serveTasks);
