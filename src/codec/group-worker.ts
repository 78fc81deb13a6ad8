/** The script of one thread of the codec, in Node and in browsers. */

import { answer } from "../threads/node-thread.ts";
import { serveGroups } from "./serve-groups.ts";

answer(serveGroups);
