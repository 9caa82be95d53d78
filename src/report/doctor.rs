//! What a store keeps of its promises, for people: a line each, and below it what is to be done.

use serde::Serialize;

use crate::model::id::Name;
use crate::store::doctor::{Promise, Standing};

/// A store's promises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examined {
    /// `major.minor`.
    pub format_version: &'static str,
    /// The store's name.
    pub store: Name,
    /// Where it is.
    pub place: String,
    /// Each promise.
    pub promises: Vec<Promise>,
}

impl Examined {
    /// Whether a promise that the manifest relies on has this standing.
    pub fn has(&self, standing: Standing) -> bool {
        self.promises.iter().any(|promise| promise.relied && promise.standing == standing)
    }
}

/// A store's promises as lines.
pub fn examined_text(examined: &Examined) -> String {
    let mut text = format!("Store `{}` at {}\n", examined.store, examined.place);
    let width = examined.promises.iter().map(|promise| promise.about.len()).max().unwrap_or(0);
    for promise in &examined.promises {
        let word = match (promise.standing, promise.relied) {
            (Standing::Holds, _) => "holds",
            (Standing::Broken, true) => "BROKEN",
            (Standing::Broken, false) => "no",
            (Standing::Unknown, _) => "unknown",
        };
        text.push_str(&format!("  {word:<8} {:<width$}  {}\n", promise.about, promise.said));
        if let Some(remedy) = &promise.remedy {
            text.push_str(&format!(
                "  {:<8} {:<width$}  {}: {remedy}\n",
                "",
                "",
                if promise.relied { "needed" } else { "if it is to hold" }
            ));
        }
    }
    text.push('\n');
    text.push_str(if examined.has(Standing::Broken) {
        "The manifest relies on what this store does not keep.\n"
    } else if examined.has(Standing::Unknown) {
        "Not everything that the manifest relies on could be tried.\n"
    } else {
        "The store keeps what the manifest relies on.\n"
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(promises: Vec<Promise>) -> Examined {
        Examined { format_version: "1.0", store: "offsite".parse().unwrap(), place: "s3://bucket".to_owned(), promises }
    }

    #[test]
    fn each_promise_is_a_line_and_what_is_relied_on_decides() {
        let broken = Promise::broken("lease", "two had it", "coordination = \"single-writer\"");
        let all = vec![Promise::holds("create-only", "a taken name is refused"), broken.clone(), Promise::unknown("clock", "no time")];
        let text = "Store `offsite` at s3://bucket\n  \
              holds    create-only  a taken name is refused\n  \
              BROKEN   lease        two had it\n                        \
              needed: coordination = \"single-writer\"\n  \
              unknown  clock        no time\n\n\
            The manifest relies on what this store does not keep.\n";
        assert_eq!(examined_text(&examined(all)), text);
        let unused = examined(vec![broken.relied(false)]);
        assert!(!unused.has(Standing::Broken) && examined_text(&unused).ends_with("keeps what the manifest relies on.\n"));
        assert!(examined_text(&unused).contains("  no       lease  two had it\n"));
        let unknown = examined(vec![Promise::unknown("clock", "no time")]);
        assert!(examined_text(&unknown).ends_with("could be tried.\n"));
    }
}
