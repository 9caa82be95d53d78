//! Which collections are written, and under which names.

use std::fmt;

/// What of a server or of an archive is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Everything, users and roles too.
    All,
    /// One database.
    Database(String),
    /// A collection of a database: the database, the collection.
    Collection(String, String),
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Database(database) => f.write_str(database),
            Self::Collection(database, collection) => write!(f, "{database}.{collection}"),
        }
    }
}

/// Where servers before 8.3 keep a time series.
pub(super) const BUCKETS: &str = "system.buckets.";

/// What is wanted and what it is to be called.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) selection: Selection,
    pub(super) rename: Option<String>,
}

impl Scope {
    pub(super) fn everything() -> Self {
        Self { selection: Selection::All, rename: None }
    }

    /// The database that a database goes to.
    pub(super) fn database<'a>(&'a self, database: &'a str) -> Option<&'a str> {
        match &self.selection {
            _ if matches!(database, "" | "local" | "config") => None,
            Selection::All => Some(database),
            Selection::Database(wanted) if wanted == database => Some(self.rename.as_deref().unwrap_or(database)),
            Selection::Collection(wanted, _) if wanted == database => Some(database),
            Selection::Database(_) | Selection::Collection(..) => None,
        }
    }

    /// The database and collection that a collection goes to. A server's own collections are not for here.
    pub(super) fn namespace(&self, database: &str, collection: &str) -> Option<(String, String)> {
        let into = self.database(database)?.to_owned();
        let Selection::Collection(_, wanted) = &self.selection else { return Some((into, collection.to_owned())) };
        let named = self.rename.as_ref().unwrap_or(wanted);
        match collection.strip_prefix(BUCKETS) {
            _ if collection == wanted => Some((into, named.clone())),
            Some(series) if series == wanted => Some((into, format!("{BUCKETS}{named}"))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_what_is_wanted() {
        let scope = |selection, rename: Option<&str>| Scope { selection, rename: rename.map(str::to_owned) };
        let goes = |scope: &Scope, database: &str, name: &str| scope.namespace(database, name).map(|(d, c)| format!("{d}.{c}"));
        let all = Scope::everything();
        assert_eq!(goes(&all, "a", "b.c").as_deref(), Some("a.b.c"));
        assert_eq!([goes(&all, "local", "b"), goes(&all, "config", "b"), goes(&all, "", "oplog")], [None, None, None]);
        let one = scope(Selection::Database("a".to_owned()), Some("z"));
        assert_eq!((goes(&one, "a", "b").as_deref(), goes(&one, "b", "b")), (Some("z.b"), None));
        let one = scope(Selection::Collection("a".to_owned(), "b".to_owned()), Some("z"));
        assert_eq!((goes(&one, "a", "b").as_deref(), goes(&one, "a", "c")), (Some("a.z"), None));
        assert_eq!(goes(&one, "a", "system.buckets.b").as_deref(), Some("a.system.buckets.z"));
    }
}
