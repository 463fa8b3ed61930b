// Track the batches of a Node program with evtrack, without evtrack's worker:
//   node examples/track.mjs "$DSN" HANDLER
// It claims batches of HANDLER one at a time until none is left, and counts the words of each item. It uses psql as its
// driver, so nothing has to be installed; with the package pg, one client would run the same statements.
import { spawn } from "node:child_process";
import { hostname } from "node:os";
import { createInterface } from "node:readline";

const [dsn, handler] = process.argv.slice(2);

// All statements share one session. Its lock shows that the worker is alive, and is released when the process ends.
const psql = spawn("psql", [dsn, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"], { stdio: ["pipe", "pipe", "inherit"] });
const lines = createInterface({ input: psql.stdout })[Symbol.asyncIterator]();
let turn = Promise.resolve();

const quoted = (value) => (value === null ? "NULL" : `E'${String(value).replace(/\\/g, "\\\\").replace(/'/g, "''")}'`);
const list = (values) => quoted(`{${values.join(",")}}`);

// Return the rows of one statement; statements run one after another.
function rows(statement) {
  const answer = turn.then(async () => {
    psql.stdin.write(`SELECT coalesce(json_agg(r), '[]')::jsonb::text FROM (${statement}) AS r;\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error("the session ended");
    return JSON.parse(value);
  });
  turn = answer.catch(() => {});
  return answer;
}

function work(item) {
  if (typeof item.text !== "string") throw new TypeError("an item has no text");
  if (item.kill) process.kill(process.pid, "SIGKILL"); // as a crash in a native library would
  return item.text.split(/\s+/).length;
}

const [{ worker }] = await rows(
  `SELECT evtrack.register_worker('node', ${quoted(hostname())}, ${process.pid}, 1, ${list([handler])}, '1.0') AS worker`,
);
await rows(`SELECT pg_advisory_lock(hashtextextended('evtrack.worker', ${worker})) IS NULL`);

async function beat() {
  const [{ alive }] = await rows(`SELECT evtrack.heartbeat(${worker}, 1) AS alive`);
  if (!alive) process.exit(3); // declared lost: other workers have the batches now
  // evtrack's own workers do this for everybody. If none of them is running, only these calls detect killed workers.
  await rows("SELECT worker_id FROM evtrack.reap()");
  await rows("SELECT * FROM evtrack.finish_overdue(10)");
}
await beat();
const beating = setInterval(() => beat().catch(() => process.exit(1)), 5000);

for (;;) {
  const jobs = (await rows(`SELECT job_id FROM evtrack.claimable(${list([handler])})`)).map((job) => job.job_id);
  if (!jobs.length) break;
  const batches = await rows(
    `SELECT job_id, batch_no, attempt, payload FROM evtrack.claim(${worker}, ${list(jobs)}, ${list(jobs.map(() => 0))},
     1, ${list([handler])}, 1)`.replace(/\n */g, " "),
  );
  for (const { job_id, batch_no, attempt, payload } of batches) {
    const began = process.hrtime.bigint();
    const held = `${worker}, '{${job_id}}', '{${batch_no}}', '{${attempt}}'`;
    let report;
    try {
      const results = payload.split("\n").map((line) => JSON.stringify(work(JSON.parse(line))));
      report = (took) => `complete(${held}, '{${took}}', ARRAY[${quoted(results.join("\n"))}])`;
    } catch (error) {
      const failure = { type: error.name, message: error.message };
      report = (took) => `fail(${held}, '{${took}}', ARRAY[${quoted(JSON.stringify(failure))}::jsonb])`;
    }
    const took = Number(process.hrtime.bigint() - began) / 1e9;
    const [{ verdict }] = await rows(`SELECT verdict FROM evtrack.${report(took)}`);
    console.log(`job ${job_id} batch ${batch_no}: ${verdict}`);
    await rows(`SELECT evtrack.finish_due(${job_id})`); // after the commit, as this may have been the last batch
  }
}
clearInterval(beating);
await rows(`SELECT evtrack.stop_worker(${worker}) IS NULL`);
psql.stdin.end();
