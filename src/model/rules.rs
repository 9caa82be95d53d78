//! What a policy's retention comes to, as one digest: two hosts that work on a series compare it before one of them deletes.
//!
//! The text under the digest is canonical: every store of the policy by name, every rule in one order, lengths of time in months and
//! seconds, and the zone in which buckets begin. How a manifest writes it, and what it calls it, makes no difference. **[format]**

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::set::{Policy, Retention};
use super::zone::Zone;

impl Policy {
    /// SHA-256, in hex, of what each store keeps of this policy.
    pub fn rules_sha256(&self, zone: Zone) -> String {
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(self.rules_text(zone).as_bytes()) {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    fn rules_text(&self, zone: Zone) -> String {
        let mut stores: Vec<_> = self.stores.iter().collect();
        stores.sort();
        let mut text = format!("zone {zone}\n");
        for store in stores {
            let rules = self.retention_for(store).map_or_else(|| "everything".to_owned(), |named| rules(&named.value));
            text.push_str(&format!("store {store}: {rules}\n"));
        }
        text
    }
}

fn rules(retention: &Retention) -> String {
    // every field by name: a new rule does not compile until it has its place here
    let Retention { within, last, hourly, daily, weekly, monthly, quarterly, yearly, min_count, min_age, keep_oldest_until_full } =
        retention;
    let within = within.map_or_else(|| "-".to_owned(), |within| format!("{}mo{}s", within.months, within.seconds));
    format!(
        "within {within} last {last} hourly {hourly} daily {daily} weekly {weekly} monthly {monthly} quarterly {quarterly} \
         yearly {yearly} min_count {min_count} min_age {}mo{}s oldest {keep_oldest_until_full}",
        min_age.months, min_age.seconds
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::model::{PolicySet, read};

    fn set(retention: &str, rest: &str) -> PolicySet {
        let text = format!(
            "version = 1\nname = \"lucid\"\ntimezone = \"Etc/UTC\"\n[store.directory.local]\npath = \"a\"\n[store.directory.off]\n\
             path = \"b\"\n[source.files.x]\npaths = [\"x\"]\n[retention]\n{retention}\n[policy.x]\nsource = \"x\"\n{rest}\n"
        );
        let loaded = read(&[("m.toml".to_owned(), text.clone())], Path::new("/m"));
        loaded.set.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.findings))
    }

    fn digest(retention: &str, rest: &str) -> String {
        let set = set(retention, rest);
        set.policies["x"].rules_sha256(set.zone)
    }

    #[test]
    fn the_digest_is_of_what_is_meant_and_not_of_how_it_is_written() {
        let stores = "stores = [\"local\", \"off\"]\nretention = \"a\"";
        let one = digest("a = { keep_within = \"30d\", keep_last = 3 }", stores);
        assert_eq!(one.len(), 64);
        assert_eq!(one, digest("a = { keep_last = 3, keep_within = \"720h\" }", stores));
        let named = "stores = [\"off\", \"local\"]\nretention = \"b\"\nretention_at = { off = \"c\" }";
        let rules = "{ keep_last = 3, keep_within = \"30d\" }";
        assert_eq!(one, digest(&format!("b = {rules}\nc = {rules}"), named));
    }

    #[test]
    fn every_rule_and_every_store_counts() {
        let stores = "stores = [\"local\", \"off\"]\nretention = \"a\"";
        let mut seen = std::collections::BTreeSet::new();
        for rule in [
            "keep_last = 3",
            "keep_last = 4",
            "keep_hourly = 3",
            "keep_daily = 3",
            "keep_weekly = 3",
            "keep_monthly = 3",
            "keep_quarterly = 3",
            "keep_yearly = 3",
            "keep_within = \"3d\"",
            "keep_last = 3, min_count = 3",
            "keep_last = 3, min_age = \"2d\"",
            "keep_last = 3, keep_oldest_until_full = true",
        ] {
            assert!(seen.insert(digest(&format!("a = {{ {rule} }}"), stores)), "{rule}");
        }
        let at = "stores = [\"local\", \"off\"]\nretention = \"a\"\nretention_at = { off = \"b\" }";
        assert!(seen.insert(digest("a = { keep_last = 3 }\nb = { keep_last = 5 }", at)));
        assert!(seen.insert(digest("a = { keep_last = 3 }", "stores = [\"local\"]\nretention = \"a\"")));
        assert!(seen.insert(digest("a = { keep_last = 3 }", "stores = [\"local\", \"off\"]")));
    }
}
