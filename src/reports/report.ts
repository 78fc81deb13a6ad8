/** What is said of a result, whoever asked for it: a command, a queue's leader, a server. */

export interface Report {
  /** For programs. */
  readonly json: object;
  /** For people; nothing where the messages said everything. */
  readonly text?: string;
  /** Exit code of work that was done, but not all of it; default 0. */
  readonly code?: number;
}
