// `make contracts` generates this file from events/contracts.py and handlers/rows.py. Do not edit it by hand.
//
// The types describe rows that events made, as the API returns them. A row that a person or the front end
// made can have other values, and its `metadata` can be null.

export type ActivityType = "order" | "intervention" | "system";
export type ActivityStatus = "success" | "warning" | "info";
export type OrderStatus = "pending" | "completed" | "cancelled";
export type EventName = "paiement_valide" | "payment_issue" | "commande_enregistree" | "session_started" | "session_ended";
export type Mode = "live" | "rag";

/** An item of an order. */
export interface Item {
  name: string;
  quantity: number;
  price: number;
}

/** The `metadata` of an order. */
export interface OrderMetadata {
  user_id: string;
  zone?: string;
  phone?: string;
}

/** The `metadata` of an activity. */
export interface PaymentValidatedMetadata {
  event: "paiement_valide";
  event_id: string;
  user_id: string;
  amount: number;
  reference: string;
  amended?: string[];
  conversation_id?: string;
}

/** The `metadata` of an activity. */
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

/** The `metadata` of an activity. */
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

/** The `metadata` of an activity. */
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

/** A row in `orders`. */
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

/** A row in `bot_sessions`. */
export interface BotSession {
  id: string;
  company_id: string;
  mode: Mode;
  started_at: string;
  /** Null while the session is open. */
  ended_at: string | null;
  created_at: string;
}

/** The message about changed rows on the private channel `botlive:<company_id>` (Realtime Broadcast). */
export interface Change {
  table: "orders" | "activities" | "bot_sessions";
  operation: "INSERT" | "UPDATE" | "DELETE";
  /** The number of rows. */
  count: number;
  /** The ids of the rows, 100 at most. */
  ids: string[];
}

/** A row in `activities`. */
export type Activity =
  | ActivityOf<"order", "success", PaymentValidatedMetadata, null>
  | ActivityOf<"intervention", "warning", PaymentIssueMetadata, null>
  | ActivityOf<"order", "success", OrderCompletedMetadata, string>
  | ActivityOf<"system", "info", LiveToggledMetadata, null>;
