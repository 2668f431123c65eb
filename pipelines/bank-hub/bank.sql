-- The tables of the bank's database: what `engine validate` knows of the columns. These pipelines only read them.

create table users (
  id integer primary key, name text not null, email text not null unique, password text not null, phone_number text,
  created_at text, updated_at text not null);
create table banks (
  id integer primary key, user_id integer not null references users (id), name text not null, type text,
  institution_code text, created_at text, updated_at text not null);
create table transactions (
  id integer primary key, bank_id integer not null references banks (id), amount numeric(12, 2), description text,
  category text, type text, currency text, transaction_date text, created_at text, updated_at text not null);

create index users_by_change on users (updated_at, id);
create index banks_by_change on banks (updated_at, id);
create index transactions_by_change on transactions (updated_at, id);
