//! What compose writes on its containers and volumes: labels, of today's compose and of 1.29.
//!
//! A label that cannot be read is left out, never an error: anybody can write any label. Only today's compose writes what a service
//! depends on; of a service that the old one made, nothing is known.

use std::collections::HashMap;

use crate::runtime::seen::{Compose, Condition, Dependency};

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";
const ONE_OFF: &str = "com.docker.compose.oneoff";
const DEPENDS_ON: &str = "com.docker.compose.depends_on";
const VOLUME: &str = "com.docker.compose.volume";

/// What the labels of a container say; none if it is not compose's.
pub(super) fn container(labels: &HashMap<String, String>) -> Option<Compose> {
    let given = |label: &str| labels.get(label).map(|value| value.trim()).filter(|value| !value.is_empty());
    Some(Compose {
        project: given(PROJECT)?.to_owned(),
        service: given(SERVICE)?.to_owned(),
        number: given(NUMBER).and_then(|number| number.parse().ok()).unwrap_or(1),
        one_off: given(ONE_OFF).is_some_and(|value| value.eq_ignore_ascii_case("true")),
        depends_on: given(DEPENDS_ON).map(dependencies).unwrap_or_default(),
    })
}

/// The project of a volume and its name there.
pub(super) fn volume(labels: &HashMap<String, String>) -> Option<(String, String)> {
    Some((labels.get(PROJECT)?.clone(), labels.get(VOLUME)?.clone()))
}

/// Reads `service:condition:restart,...`, sorted by service. The order in the label is random, and what is missing has defaults.
fn dependencies(label: &str) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = label.split(',').filter_map(dependency).collect();
    found.sort_by(|a, b| a.service.cmp(&b.service));
    found.dedup_by(|a, b| a.service == b.service);
    found
}

fn dependency(entry: &str) -> Option<Dependency> {
    let mut parts = entry.split(':').map(str::trim);
    let service = parts.next().filter(|service| !service.is_empty())?;
    let condition = match parts.next() {
        None | Some("" | "service_started") => Condition::Started,
        Some("service_healthy") => Condition::Healthy,
        Some("service_completed_successfully") => Condition::Completed,
        Some(_) => return None,
    };
    Some(Dependency { service: service.to_owned(), condition })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[(&str, &str)]) -> HashMap<String, String> {
        labels.iter().map(|(label, value)| (format!("com.docker.compose.{label}"), (*value).to_owned())).collect()
    }

    fn on(service: &str, condition: Condition) -> Dependency {
        Dependency { service: service.to_owned(), condition }
    }

    #[test]
    fn todays_labels_are_read() {
        let read = container(&labels(&[
            ("project", "lucid"),
            ("service", "web"),
            ("container-number", "2"),
            ("oneoff", "False"),
            ("depends_on", "queue:service_started:true,db:service_healthy:false,job:service_completed_successfully:false"),
        ]));
        let depends_on = vec![on("db", Condition::Healthy), on("job", Condition::Completed), on("queue", Condition::Started)];
        assert_eq!(read, Some(Compose { project: "lucid".to_owned(), service: "web".to_owned(), number: 2, one_off: false, depends_on }));
    }

    #[test]
    fn the_old_ones_say_nothing_of_dependencies() {
        let read = container(&labels(&[("project", "old"), ("service", "web"), ("oneoff", "True"), ("version", "1.29.2")]));
        let read = read.expect("it is compose's");
        assert_eq!((read.number, read.one_off, read.depends_on), (1, true, vec![]));
    }

    #[test]
    fn what_is_missing_has_defaults_and_what_is_unreadable_is_left_out() {
        let started = |names: &[&str]| names.iter().map(|name| on(name, Condition::Started)).collect::<Vec<_>>();
        for (label, read) in [
            ("", vec![]),
            (",,", vec![]),
            (":service_healthy:true", vec![]),
            ("db", started(&["db"])),
            ("db:", started(&["db"])),
            (" b , a:service_started ", started(&["a", "b"])),
            ("db:service_married:true,a", started(&["a"])),
            ("a,a:service_healthy", started(&["a"])),
            ("db:service_healthy:true:more", vec![on("db", Condition::Healthy)]),
        ] {
            assert_eq!(dependencies(label), read, "{label}");
        }
        let number = container(&labels(&[("project", "p"), ("service", "s"), ("container-number", "many")]));
        assert_eq!(number.map(|compose| compose.number), Some(1));
    }

    #[test]
    fn others_are_not_composes() {
        assert_eq!(container(&labels(&[("project", "p")])), None);
        assert_eq!(container(&labels(&[("project", ""), ("service", "s")])), None);
        assert_eq!(container(&HashMap::new()), None);
        assert_eq!(volume(&labels(&[("project", "p"), ("volume", "data")])), Some(("p".to_owned(), "data".to_owned())));
        assert_eq!(volume(&labels(&[("volume", "data")])), None);
    }
}
