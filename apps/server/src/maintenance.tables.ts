interface MaintenanceTaskTable {
  name: string;
  /** Where a task that goes through a table has come to; null: it begins anew. */
  cursor: string | null;
  due_at: Date;
}

export interface MaintenanceTables {
  maintenance_tasks: MaintenanceTaskTable;
}
