//! The graph of a manifest as declared: policies, sources and services, and what they name.

use super::build::{Edge, Graph};
use crate::finding::{Finding, graph as code};
use crate::model::{Loaded, Noun};

/// Every declared store, source, service, schedule, retention and policy, and every reference between them. A policy's first store is where
/// it captures to; the others are written from it.
pub fn declared(loaded: &Loaded) -> Graph {
    let address = |(noun, name): &(Noun, String)| format!("{noun}.{name}");
    let nodes = loaded.declared.keys().filter(|(noun, _)| *noun != Noun::Lint).map(address);
    let edges = loaded.needs.iter().map(|need| {
        let copies = need.key == "stores"
            && loaded
                .partial
                .policies
                .get(need.from.1.as_str())
                .is_some_and(|policy| policy.stores.first().is_some_and(|first| first.as_str() != need.to.1));
        Edge {
            from: address(&need.from),
            to: address(&need.to),
            label: match need.key {
                "stores" if copies => "copies to".to_owned(),
                "stores" => "captures to".to_owned(),
                key => key.to_owned(),
            },
            span: Some(need.span.clone()),
        }
    });
    Graph::build(nodes, edges)
}

/// A finding for every circle, with the place of each of its edges.
pub fn cycles(loaded: &Loaded) -> Vec<Finding> {
    declared(loaded)
        .cycles()
        .into_iter()
        .map(|edges| {
            let way: Vec<&str> = edges.iter().chain(edges.first()).map(|edge| edge.from.as_str()).collect();
            let finding = Finding::new(code::CYCLE, format!("these need each other in a circle: {}", way.join(" -> ")));
            edges.iter().fold(finding, |finding, edge| {
                finding.maybe_at(edge.span.clone(), format!("`{}` needs `{}` by `{}`", edge.from, edge.to, edge.label))
            })
        })
        .map(|finding| finding.help("remove one of these keys"))
        .collect()
}
