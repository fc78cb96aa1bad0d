interface PaymentWebhookTable {
  signature: Buffer;
  received_at: Date;
}

export interface PaymentTables {
  payment_webhooks: PaymentWebhookTable;
}
