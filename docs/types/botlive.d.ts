// Written by `make contracts` from events/contracts.py and handlers/rows.py: change those, not this file.
//
// The rows as the API returns them, of those that events made. A row that a person or the front end made may
// have other values, and `metadata` null.

export type ActivityType = "order" | "intervention" | "system";
export type ActivityStatus = "success" | "warning" | "info";
export type OrderStatus = "pending" | "completed" | "cancelled";
export type EventName = "paiement_valide" | "payment_issue" | "commande_enregistree" | "session_started" | "session_ended";
export type Mode = "live" | "rag";

/** A line of an order. */
export interface Item {
  name: string;
  quantity: number;
  price: number;
}

/** What an order holds besides its columns. */
export interface OrderMetadata {
  user_id: string;
  zone?: string;
  phone?: string;
}

/** What an activity holds besides its columns. */
export interface PaymentValidatedMetadata {
  event: "paiement_valide";
  event_id: string;
  user_id: string;
  amount: number;
  reference: string;
  amended?: string[];
  conversation_id?: string;
}

/** What an activity holds besides its columns. */
export interface PaymentIssueMetadata {
  event: "payment_issue";
  event_id: string;
  user_id: string;
  issue_type: string;
  message: string;
  detected_amount?: number;
  required_amount?: number;
  amended?: string[];
  conversation_id?: string;
}

/** What an activity holds besides its columns. */
export interface OrderCompletedMetadata {
  event: "commande_enregistree";
  event_id: string;
  order_id: string;
  user_id: string;
  customer_name: string;
  total_amount: number;
  items: Item[];
  zone?: string;
  phone?: string;
  amended?: string[];
  conversation_id?: string;
}

/** What an activity holds besides its columns. */
export interface LiveToggledMetadata {
  event: "session_started" | "session_ended";
  event_id: string;
  session_id: string | null;
  enabled: boolean;
  mode: "live" | "rag";
  amended?: string[];
  conversation_id?: string;
}

interface ActivityOf<
  Type extends ActivityType, Status extends ActivityStatus, Metadata, CustomerName extends string | null
> {
  id: string;
  company_id: string;
  conversation_id: string | null;
  type: Type;
  status: Status;
  title: string;
  description: string;
  customer_name: CustomerName;
  metadata: Metadata;
  created_at: string;
}

/** A row of `orders`. */
export interface Order {
  id: string;
  company_id: string;
  conversation_id: string | null;
  customer_name: string;
  /** FCFA. */
  total_amount: number;
  status: OrderStatus;
  items: Item[];
  metadata: OrderMetadata;
  created_at: string;
  updated_at: string;
}

/** A row of `bot_sessions`. */
export interface BotSession {
  id: string;
  company_id: string;
  mode: Mode;
  started_at: string;
  /** Null while the session is open. */
  ended_at: string | null;
  created_at: string;
}

/** What a change of rows says on the private channel `botlive:<company_id>` (Realtime Broadcast). */
export interface Change {
  table: "orders" | "activities" | "bot_sessions";
  operation: "INSERT" | "UPDATE" | "DELETE";
  /** How many rows. */
  count: number;
  /** Their ids; of many rows the first 100. */
  ids: string[];
}

/** A row of `activities`. */
export type Activity =
  | ActivityOf<"order", "success", PaymentValidatedMetadata, null>
  | ActivityOf<"intervention", "warning", PaymentIssueMetadata, null>
  | ActivityOf<"order", "success", OrderCompletedMetadata, string>
  | ActivityOf<"system", "info", LiveToggledMetadata, null>;
