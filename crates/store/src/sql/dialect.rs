//! The one file that knows how SQLite, PostgreSQL and MySQL/MariaDB differ in words.
//!
//! Statements elsewhere are written once, with `?` for arguments and what is common to all; where the engines part, they ask
//! here. To add an engine: a variant, its arm in every function, a folder of migrations with the same numbers, its settings in
//! `connect.rs`, and the contract suite run against it. MySQL 8 is spoken to in MariaDB's words that it shares; it cannot be
//! installed where this is tested, so it is untested.

use super::query::Query;

/// Which engine is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3, a file.
    Sqlite,
    /// PostgreSQL 13 and up.
    Postgres,
    /// MariaDB 10.6 and up, MySQL 8 (untested).
    Mysql,
}

/// What a member of a JSON row becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
    /// Bytes, on the way as hexadecimal text.
    Bytes,
}

/// A member of the JSON rows of a bulk statement: its name there, which is also that of its column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    name: &'static str,
    kind: Kind,
}

impl Column {
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }
}

pub(super) const fn int(name: &'static str) -> Column {
    Column { name, kind: Kind::Int }
}

pub(super) const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

pub(super) const fn bytes(name: &'static str) -> Column {
    Column { name, kind: Kind::Bytes }
}

/// What a bulk insert does with a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is an error.
    Refuse,
    /// The stored row stays; the columns are those of its key.
    Keep(&'static str),
}

impl Dialect {
    /// The engine's name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL/MariaDB",
        }
    }

    /// How a unit of work begins. SQLite takes its write lock at once: a lock that is taken at the first write can fail in the
    /// middle of a transaction that has read.
    pub(super) const fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres | Self::Mysql => "BEGIN",
        }
    }

    /// `?` as the engine wants its placeholders. No statement of ours has a `?` in a literal.
    pub(super) fn placeholders(self, statement: String) -> String {
        if self != Self::Postgres {
            return statement;
        }
        let mut out = String::with_capacity(statement.len() + 16);
        for (number, part) in statement.split('?').enumerate() {
            if number > 0 {
                out.push('$');
                out.push_str(&number.to_string());
            }
            out.push_str(part);
        }
        out
    }

    /// Whether `INSERT … RETURNING id` is understood; if not, the result carries the id.
    pub(super) const fn returns_ids(self) -> bool {
        !matches!(self, Self::Mysql)
    }

    /// The rows of a [`Batch`](super::batch::Batch)'s argument as a table `e`: one argument whatever their number, so no limit of
    /// arguments is met, and one statement text for all sizes.
    pub(super) fn rows(self, columns: &[Column]) -> String {
        let each = |part: &dyn Fn(usize, &Column) -> String| {
            columns.iter().enumerate().map(|(i, c)| part(i, c)).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Sqlite => {
                let members = each(&|i, c| format!("j.value->>{i} AS {}", c.name));
                format!("(SELECT {members} FROM json_each(?) AS j) AS e")
            }
            Self::Postgres => {
                let kind = |c: &Column| if c.kind == Kind::Int { "BIGINT" } else { "TEXT" };
                let members = each(&|_, c| format!("{} {}", c.name, kind(c)));
                format!("json_to_recordset(?::json) AS e({members})")
            }
            Self::Mysql => {
                // Without its own character set a column takes the database's, and does not compare with ours.
                const TEXT: &str = "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
                let kind = |c: &Column| if c.kind == Kind::Int { "BIGINT" } else { TEXT };
                let members = each(&|i, c| format!("{} {} PATH '$[{i}]'", c.name, kind(c)));
                format!("JSON_TABLE(?, '$[*]' COLUMNS({members})) AS e")
            }
        }
    }

    /// `INSERT` of a numbered batch's rows into `table`, whose columns bear the members' names; ids are given in the rows' order.
    pub(super) fn insert_rows(self, table: &str, columns: &[Column], existing: Existing) -> String {
        let stored = columns.iter().filter(|c| c.name != "n");
        let names = stored.clone().map(|c| c.name).collect::<Vec<_>>().join(", ");
        let values = stored.map(|c| self.value(c)).collect::<Vec<_>>().join(", ");
        let rows = self.rows(columns);
        // SQLite would take a bare ON for a join's: hence the WHERE.
        let tail = match (existing, self) {
            (Existing::Refuse, _) => String::new(),
            (Existing::Keep(key), Self::Sqlite | Self::Postgres) => {
                format!(" ON CONFLICT ({key}) DO NOTHING")
            }
            (Existing::Keep(key), Self::Mysql) => {
                // Not IGNORE, which would hide every other error too.
                let first = key.split(',').next().unwrap_or(key);
                format!(" ON DUPLICATE KEY UPDATE {first} = {table}.{first}")
            }
        };
        format!("INSERT INTO {table} ({names}) SELECT {values} FROM {rows} WHERE 1 = 1 ORDER BY e.n{tail}")
    }

    fn value(self, column: &Column) -> String {
        let name = column.name;
        match (column.kind, self) {
            (Kind::Int | Kind::Text, _) => format!("e.{name}"),
            (Kind::Bytes, Self::Sqlite | Self::Mysql) => format!("UNHEX(e.{name})"),
            (Kind::Bytes, Self::Postgres) => format!("decode(e.{name}, 'hex')"),
        }
    }

    /// `UPDATE` of `table AS t` by the rows `e` of one JSON parameter, one row of `e` at most for one of `t`. An assignment may
    /// read `e` but not a column of `t` that another one writes: MySQL gives no order to assignments.
    pub(super) fn update_rows(
        self,
        table: &str,
        columns: &[Column],
        json: String,
        on: &str,
        set: &[(&str, Query)],
        only: Query,
    ) -> Query {
        let rows = Query::new(self.rows(columns)).bind(json);
        let mut assignments = Query::new("");
        for (i, (column, value)) in set.iter().enumerate() {
            let target = if self == Self::Mysql { "t." } else { "" };
            assignments
                .push(if i > 0 { ", " } else { "" })
                .push(target)
                .push(column)
                .push(" = ")
                .append(value.clone());
        }
        let mut query = Query::new("UPDATE ");
        match self {
            Self::Sqlite | Self::Postgres => {
                query.push(table).push(" AS t SET ").append(assignments).push(" FROM ").append(rows);
                query.push(" WHERE ").push(on);
            }
            Self::Mysql => {
                // STRAIGHT_JOIN: the rows lead, the table is looked up by key; left alone it may walk the table.
                query.append(rows).push(" STRAIGHT_JOIN ").push(table).push(" AS t ON ").push(on);
                query.push(" SET ").append(assignments).push(" WHERE 1 = 1");
            }
        }
        if !only.is_empty() {
            query.push(" AND ").append(only);
        }
        query
    }

    /// The rows `e` joined to a table, the rows leading; needs an `ON`.
    pub(super) const fn lead_join(self) -> &'static str {
        match self {
            // SQLite never reorders a CROSS JOIN.
            Self::Sqlite => "CROSS JOIN",
            Self::Postgres => "JOIN",
            Self::Mysql => "STRAIGHT_JOIN",
        }
    }

    /// A set of ids, for `column IN (…)`, out of one JSON array parameter.
    pub(super) const fn ids(self) -> &'static str {
        match self {
            Self::Sqlite => "(SELECT j.value FROM json_each(?) AS j)",
            Self::Postgres => "(SELECT j.v::bigint FROM json_array_elements_text(?::json) AS j(v))",
            Self::Mysql => "(SELECT j.v FROM JSON_TABLE(?, '$[*]' COLUMNS(v BIGINT PATH '$')) AS j)",
        }
    }

    /// Whether `column` (already lower-cased) contains the argument: no wildcards, so nothing to escape.
    pub(super) fn contains(self, column: &str) -> String {
        match self {
            Self::Sqlite | Self::Mysql => format!("instr({column}, ?) > 0"),
            Self::Postgres => format!("strpos({column}, ?) > 0"),
        }
    }

    /// Whether two values differ, NULL being a value.
    pub(super) fn differs(self, left: &str, right: &str) -> String {
        match self {
            Self::Sqlite => format!("{left} IS NOT {right}"),
            Self::Postgres => format!("{left} IS DISTINCT FROM {right}"),
            Self::Mysql => format!("NOT ({left} <=> {right})"),
        }
    }

    /// Two texts one after the other; NULL if one of them is.
    pub(super) fn join_text(self, left: &str, right: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("{left} || {right}"),
            Self::Mysql => format!("CONCAT({left}, {right})"),
        }
    }

    /// A sum as an integer (PostgreSQL and MySQL make a decimal of it, which the driver does not know).
    pub(super) fn sum(self, value: &str) -> String {
        match self {
            Self::Sqlite => format!("COALESCE(SUM({value}), 0)"),
            Self::Postgres => format!("COALESCE(SUM({value}), 0)::bigint"),
            Self::Mysql => format!("CAST(COALESCE(SUM({value}), 0) AS SIGNED)"),
        }
    }

    /// How many tables of this name there are; 0 or 1.
    pub(super) const fn has_table(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
            Self::Postgres => {
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = ?"
            }
            Self::Mysql => {
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?"
            }
        }
    }

    /// Keeps rows that were read in a unit of work as they are until it ends. SQLite has one writer anyway.
    pub(super) const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres | Self::Mysql => " FOR UPDATE",
        }
    }

    /// The same for the rows of one table of a join: to be put last in a sub-select.
    pub(super) fn for_update_of(self, table: &str) -> String {
        match self {
            Self::Sqlite => String::new(),
            Self::Postgres => format!(" FOR NO KEY UPDATE OF {table}"),
            Self::Mysql => " FOR UPDATE".to_owned(),
        }
    }

    /// `INSERT` of a numbered batch's rows that adds the `sums` to those of a row with the same key, where there is one.
    pub(super) fn add_rows(self, table: &str, key: &[Column], sums: &[Column]) -> String {
        let names = |columns: &[Column]| columns.iter().map(|c| c.name).collect::<Vec<_>>().join(", ");
        let columns: Vec<Column> = key.iter().chain(sums).copied().collect();
        let values = columns.iter().map(|c| format!("e.{}", c.name)).collect::<Vec<_>>().join(", ");
        let numbered: Vec<Column> = columns.iter().copied().chain([int("n")]).collect();
        let add = |new: &dyn Fn(&str) -> String| {
            let each = sums.iter().map(|c| format!("{0} = {table}.{0} + {1}", c.name, new(c.name)));
            each.collect::<Vec<_>>().join(", ")
        };
        let tail = match self {
            Self::Sqlite | Self::Postgres => {
                format!("ON CONFLICT ({}) DO UPDATE SET {}", names(key), add(&|c| format!("excluded.{c}")))
            }
            Self::Mysql => format!("ON DUPLICATE KEY UPDATE {}", add(&|c| format!("VALUES({c})"))),
        };
        let (rows, names) = (self.rows(&numbered), names(&columns));
        format!("INSERT INTO {table} ({names}) SELECT {values} FROM {rows} WHERE 1 = 1 ORDER BY e.n {tail}")
    }

    /// `INSERT` of a numbered batch's rows that takes the place of a row with the same key, where there is one.
    pub(super) fn put_rows(self, table: &str, key: &[Column], columns: &[Column]) -> String {
        let names = |columns: &[Column]| columns.iter().map(|c| c.name).collect::<Vec<_>>().join(", ");
        let values = columns.iter().map(|c| self.value(c)).collect::<Vec<_>>().join(", ");
        let numbered: Vec<Column> = columns.iter().copied().chain([int("n")]).collect();
        let others = columns.iter().filter(|c| key.iter().all(|k| k.name != c.name));
        let set = |new: &dyn Fn(&str) -> String| {
            others.clone().map(|c| format!("{} = {}", c.name, new(c.name))).collect::<Vec<_>>().join(", ")
        };
        let tail = match self {
            Self::Sqlite | Self::Postgres => {
                format!("ON CONFLICT ({}) DO UPDATE SET {}", names(key), set(&|c| format!("excluded.{c}")))
            }
            Self::Mysql => format!("ON DUPLICATE KEY UPDATE {}", set(&|c| format!("VALUES({c})"))),
        };
        let (rows, names) = (self.rows(&numbered), names(columns));
        format!("INSERT INTO {table} ({names}) SELECT {values} FROM {rows} WHERE 1 = 1 ORDER BY e.n {tail}")
    }

    /// `DELETE` of the rows of `table` (`t` in the condition `only`) that have one of a numbered batch's keys.
    pub(super) fn delete_rows(self, table: &str, key: &[Column], only: &str) -> String {
        let numbered: Vec<Column> = key.iter().copied().chain([int("n")]).collect();
        let rows = self.rows(&numbered);
        let each = |side: &str| key.iter().map(|c| format!("{side}{}", c.name)).collect::<Vec<_>>();
        let on = key.iter().map(|c| format!("t.{0} = e.{0}", c.name)).collect::<Vec<_>>().join(" AND ");
        match self {
            Self::Sqlite => format!(
                "DELETE FROM {table} AS t WHERE {only} AND ({}) IN (SELECT {} FROM {rows})",
                each("t.").join(", "),
                each("e.").join(", "),
            ),
            Self::Postgres => format!("DELETE FROM {table} AS t USING {rows} WHERE {on} AND {only}"),
            Self::Mysql => format!("DELETE t FROM {rows} STRAIGHT_JOIN {table} AS t ON {on} WHERE {only}"),
        }
    }

    /// A hint after a table's name, where the engine left alone chooses badly: MariaDB reads a whole state of a deployment to find
    /// a page of it, SQLite walks the whole deployment to find the few of a rare state.
    pub(super) fn use_index(self, index: &str) -> String {
        match self {
            Self::Sqlite => format!(" INDEXED BY {index}"),
            Self::Postgres => String::new(),
            Self::Mysql => format!(" FORCE INDEX ({index})"),
        }
    }

    /// `column` in a condition that no index should serve, where another one is better. SQLite has no statistics to know by.
    pub(super) fn unindexed(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("+{column}"),
            Self::Postgres | Self::Mysql => column.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_for_postgresql_only() {
        let statement = "SELECT 1 WHERE a = ? AND b IN (?, ?)".to_owned();
        assert_eq!(Dialect::Sqlite.placeholders(statement.clone()), statement);
        assert_eq!(Dialect::Postgres.placeholders(statement), "SELECT 1 WHERE a = $1 AND b IN ($2, $3)");
    }

    #[test]
    fn arguments_stand_in_the_order_of_the_text_in_every_dialect() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
            let query = dialect.update_rows(
                "t1",
                &[int("id")],
                "[]".to_owned(),
                "t.id = e.id",
                &[("a", Query::new("?").bind(1_i64)), ("b", Query::new("e.id"))],
                Query::new("t.c = ?").bind(2_i64),
            );
            let (text, arguments) = query.parts();
            assert_eq!(text.matches('?').count(), arguments, "{text}");
        }
    }
}
