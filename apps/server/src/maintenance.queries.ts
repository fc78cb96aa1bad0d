import type { Db, Tx } from "./db/db.ts";

/** Makes the rows of tasks that are new. */
export async function insertTasks(db: Db, names: string[], dueAt: Date): Promise<void> {
  await db
    .insertInto("maintenance_tasks")
    .values(names.map((name) => ({ name, cursor: null, due_at: dueAt })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Takes the task until the transaction ends; undefined where another process has it, or before its time. */
export function takeTask(tx: Tx, name: string, dueBy: Date | undefined) {
  let query = tx.selectFrom("maintenance_tasks").select("cursor").where("name", "=", name);
  if (dueBy) query = query.where("due_at", "<=", dueBy);
  return query.forUpdate().skipLocked().executeTakeFirst();
}

export function updateTask(tx: Tx, name: string, task: { cursor: string | null; due_at?: Date }) {
  return tx.updateTable("maintenance_tasks").set(task).where("name", "=", name).execute();
}
