//! Circles: petgraph's own error names one node of some circle; people need the whole path.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

use super::build::Edge;

/// The shortest circle through the first name of each strongly connected component, by that name.
pub(super) fn shortest(graph: &DiGraph<String, Edge>) -> Vec<Vec<&Edge>> {
    let mut knots: Vec<BTreeSet<NodeIndex>> = tarjan_scc(graph).into_iter().map(|knot| knot.into_iter().collect()).collect();
    knots.sort();
    knots.iter().filter_map(|knot| around(graph, knot)).collect()
}

/// Breadth first from the first node back to it, without leaving the knot. Of equally short circles the first by name, since edges
/// are tried in the order of their ends.
fn around<'g>(graph: &'g DiGraph<String, Edge>, knot: &BTreeSet<NodeIndex>) -> Option<Vec<&'g Edge>> {
    let start = *knot.first()?;
    let mut reached: BTreeMap<NodeIndex, EdgeIndex> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut edges: Vec<_> = graph.edges(node).filter(|edge| knot.contains(&edge.target())).collect();
        edges.sort_by_key(|edge| (edge.target(), edge.id()));
        for edge in edges {
            if edge.target() == start {
                return Some(path(graph, &reached, node, edge.id()));
            }
            reached.entry(edge.target()).or_insert_with(|| {
                queue.push_back(edge.target());
                edge.id()
            });
        }
    }
    None
}

/// The edges that led to `node`, and the one that closes the circle.
fn path<'g>(graph: &'g DiGraph<String, Edge>, reached: &BTreeMap<NodeIndex, EdgeIndex>, node: NodeIndex, last: EdgeIndex) -> Vec<&'g Edge> {
    let mut edges = vec![&graph[last]];
    let mut at = node;
    while let Some(edge) = reached.get(&at) {
        edges.push(&graph[*edge]);
        let Some((from, _)) = graph.edge_endpoints(*edge) else { break };
        at = from;
    }
    edges.reverse();
    edges
}
