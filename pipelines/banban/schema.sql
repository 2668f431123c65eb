-- The tables of one client of the retail hub: a database each, so that no client ever sees another's rows.
--
--   python scripts/banban_demo.py database      makes .run/banban.db and .run/riachuelo.db of this file
--
-- The same file is to make them on PostgreSQL. So: only types and constraints that both have, money in whole cents, moments
-- as ISO 8601 text in UTC (what is earlier sorts before what is later), and never a row whose meaning depends on the clock.
--
-- What must hold is said here, not only in the pipelines: a pipeline's mistake is refused by the database.

create table if not exists products (
  sku         text primary key,
  name        text not null,
  department  text not null,
  price_cents bigint not null check (price_cents > 0),
  updated_on  text not null                                    -- the day of the ETL batch that brought it
);

-- Sales. What was paid and what went back are kept with the sale: the database can then refuse too much of either.
create table if not exists sales (
  sale_id        text primary key,
  store_id       text not null,
  customer_id    text,                                         -- null: the customer did not say who they are
  sold_at        text not null,
  discount_cents bigint not null check (discount_cents >= 0),
  total_cents    bigint not null check (total_cents >= 0),
  paid_cents     bigint not null default 0,
  refunded_cents bigint not null default 0,
  status         text not null default 'open' check (status in ('open', 'paid', 'cancelled')),
  closed_at      text,                                         -- when it was cancelled
  reason         text,
  version        integer not null default 0,                   -- grows with every change; the update that does it locks the row
  check (paid_cents between 0 and total_cents),
  check (refunded_cents between 0 and paid_cents)
);
create index if not exists sales_by_customer on sales (customer_id, sold_at);

create table if not exists sale_items (
  sale_id      text not null references sales (sale_id),
  line         integer not null check (line > 0),
  sku          text not null,
  quantity     integer not null check (quantity > 0),
  amount_cents bigint not null check (amount_cents >= 0),
  primary key (sale_id, line)
);

create table if not exists payments (
  payment_id   text primary key,
  sale_id      text not null references sales (sale_id),
  method       text not null check (method in ('cash', 'card', 'pix', 'voucher')),
  amount_cents bigint not null check (amount_cents > 0),
  paid_at      text not null
);

-- Stock. A sale may take it below zero: the goods are gone, whatever the records said; nothing else may.
create table if not exists stock (
  location_id text not null,                                   -- a store, or the distribution centre
  sku         text not null,
  quantity    integer not null,
  primary key (location_id, sku)
);

create table if not exists stock_movements (
  movement_id  text primary key,
  kind         text not null check (kind in
               ('sale', 'cancellation', 'purchase', 'adjustment', 'transfer_out', 'transfer_in', 'return')),
  reference    text not null,                                  -- the sale, document, adjustment, transfer or return
  location_id  text not null,
  sku          text not null,
  quantity     integer not null check (quantity <> 0),         -- what came is above zero, what left is below
  moved_at     text not null,
  validated_at text                                            -- when the ERP had the same figure
);
create index if not exists stock_movements_by_reference on stock_movements (reference, location_id, sku);

create table if not exists stock_snapshots (
  snapshot_id text not null,
  location_id text not null,
  sku         text not null,
  quantity    integer not null,
  taken_at    text not null,
  primary key (snapshot_id, location_id, sku)
);

-- Purchases: an order, the documents (notas fiscais) that come with the goods, and the count at the dock.
create table if not exists purchase_orders (
  order_id       text primary key,
  supplier_id    text not null,
  destination_id text not null,
  ordered_at     text not null,
  status         text not null default 'ordered' check (status in ('ordered', 'partly_received', 'received')),
  version        integer not null default 0
);

create table if not exists purchase_order_items (
  order_id   text not null references purchase_orders (order_id),
  sku        text not null,
  ordered    integer not null check (ordered > 0),
  received   integer not null default 0,
  cost_cents bigint not null check (cost_cents >= 0),          -- of one
  primary key (order_id, sku),
  check (received between 0 and ordered)
);

create table if not exists purchase_documents (
  document_id  text primary key,
  order_id     text not null references purchase_orders (order_id),
  received_at  text not null,
  status       text not null default 'received' check (status in ('received', 'confirmed')),
  confirmed_at text,
  version      integer not null default 0
);

create table if not exists purchase_document_items (
  document_id text not null references purchase_documents (document_id),
  sku         text not null,
  quantity    integer not null check (quantity > 0),
  counted     integer,
  primary key (document_id, sku)
);

-- Transfers between the distribution centre and the stores. A state never goes back.
create table if not exists transfers (
  transfer_id    text primary key,
  origin_id      text not null,
  destination_id text not null,
  status         text not null default 'created' check (status in ('created', 'shipped', 'received')),
  created_at     text not null,
  shipped_at     text,
  received_at    text,
  version        integer not null default 0,
  check (origin_id <> destination_id),
  check (status = 'created' or shipped_at is not null),
  check (status <> 'received' or received_at is not null)
);

create table if not exists transfer_items (
  transfer_id text not null references transfers (transfer_id),
  sku         text not null,
  quantity    integer not null check (quantity > 0),
  shipped     integer,
  received    integer,
  primary key (transfer_id, sku),
  check (shipped is null or shipped between 0 and quantity),
  check (received is null or received = shipped)
);

-- Returns: what came back of a sale, and the money for it.
create table if not exists returns (
  return_id    text primary key,
  sale_id      text not null references sales (sale_id),
  store_id     text not null,
  reason       text not null,
  returned_at  text not null,
  amount_cents bigint not null default 0 check (amount_cents >= 0),   -- what the returned goods had cost
  status       text not null default 'registered' check (status in ('registered', 'refunded'))
);

create table if not exists return_items (
  return_id text not null references returns (return_id),
  sku       text not null,
  quantity  integer not null check (quantity > 0),
  primary key (return_id, sku)
);

create table if not exists refunds (
  refund_id    text primary key,
  return_id    text not null unique references returns (return_id),
  method       text not null check (method in ('cash', 'card', 'pix', 'voucher')),
  amount_cents bigint not null check (amount_cents > 0),
  refunded_at  text not null
);

-- RFM: from 1 (worst) to 5 (best) for how recently, how often and for how much a customer bought.
create table if not exists customer_scores (
  customer_id  text primary key,
  recency      integer not null check (recency between 1 and 5),
  frequency    integer not null check (frequency between 1 and 5),
  monetary     integer not null check (monetary between 1 and 5),
  segment      text not null,
  last_sale_at text not null,
  sales        integer not null,
  spent_cents  bigint not null,
  scored_at    text not null
);

-- The daily ETL batch: as the ERP gave it, then what the stages made of it.
create table if not exists etl_raw (
  day        text not null,
  sku        text not null,
  name       text,
  department text,
  price      text,                                             -- as it came: 1.234,56
  primary key (day, sku)
);

create table if not exists etl_products (
  day         text not null,
  sku         text not null,
  name        text not null,
  department  text not null,
  price_cents bigint not null,
  stage       text not null check (stage in ('transformed', 'valid', 'loaded')),
  primary key (day, sku)
);

-- Who did what: a line for every event that had an effect, written in the same transaction as the effect.
create table if not exists audit (
  flow        text not null,
  event_id    text not null,
  action      text not null,
  reference   text not null,
  caller      text not null,
  received_at text not null,
  primary key (flow, event_id)
);
