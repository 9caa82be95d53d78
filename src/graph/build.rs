//! The graph itself, and its order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::cycles;
use crate::finding::Span;

/// One node needs another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The address that needs.
    pub from: String,
    /// The address that is needed.
    pub to: String,
    /// Why, in a word or two: the key that says so.
    pub label: String,
    /// Where it is said.
    pub span: Option<Span>,
}

/// What needs what.
#[derive(Debug, Clone)]
pub struct Graph {
    pub(super) inner: DiGraph<String, Edge>,
}

impl Graph {
    /// A graph of these addresses and edges. The ends of edges are nodes even where they are not listed; the order in which anything
    /// is given does not count.
    pub fn build(nodes: impl IntoIterator<Item = String>, edges: impl IntoIterator<Item = Edge>) -> Self {
        let mut edges: Vec<Edge> = edges.into_iter().collect();
        edges.sort();
        edges.dedup();
        let mut indices: BTreeMap<String, NodeIndex> = BTreeMap::new();
        for node in nodes.into_iter().chain(edges.iter().flat_map(|edge| [edge.from.clone(), edge.to.clone()])) {
            indices.insert(node, NodeIndex::default());
        }
        let mut inner = DiGraph::with_capacity(indices.len(), edges.len());
        for (node, index) in &mut indices {
            *index = inner.add_node(node.clone());
        }
        for edge in edges {
            inner.add_edge(indices[&edge.from], indices[&edge.to], edge);
        }
        Self { inner }
    }

    /// The nodes, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.inner.node_weights().map(String::as_str)
    }

    /// The edges, by their ends.
    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        self.inner.edge_weights()
    }

    /// What a node needs, as edges, by name.
    pub fn needs(&self, node: &str) -> Vec<&Edge> {
        self.edges().filter(|edge| edge.from == node).collect()
    }

    /// Everything that a node needs, at any remove, by name. The node itself is in it only where it is in a circle.
    pub fn reach(&self, node: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<NodeIndex> = self.inner.node_indices().filter(|index| self.inner[*index] == node).collect();
        while let Some(index) = open.pop() {
            open.extend(self.inner.neighbors(index).filter(|next| reached.insert(self.inner[*next].as_str())));
        }
        reached
    }

    /// Every node after all that it needs; of those that could be next, the first by name. `None` if there is a circle.
    pub fn order(&self) -> Option<Vec<&str>> {
        let mut waiting: Vec<usize> =
            self.inner.node_indices().map(|node| self.inner.edges_directed(node, Direction::Outgoing).count()).collect();
        // nodes were added by name, so the smallest index is the smallest name
        let mut ready: BinaryHeap<Reverse<usize>> = (0..waiting.len()).filter(|n| waiting[*n] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(Reverse(n)) = ready.pop() {
            let node = NodeIndex::new(n);
            order.push(self.inner[node].as_str());
            for edge in self.inner.edges_directed(node, Direction::Incoming) {
                let dependent = edge.source().index();
                waiting[dependent] -= 1;
                if waiting[dependent] == 0 {
                    ready.push(Reverse(dependent));
                }
            }
        }
        (order.len() == waiting.len()).then_some(order)
    }

    /// One circle for each knot of nodes that need each other: the shortest through the knot's first name, as its edges in turn.
    pub fn cycles(&self) -> Vec<Vec<&Edge>> {
        cycles::shortest(&self.inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Pair = (&'static str, &'static str);

    fn graph(pairs: &[Pair]) -> Graph {
        let edge = |(from, to): &Pair| Edge { from: (*from).to_owned(), to: (*to).to_owned(), label: "needs".to_owned(), span: None };
        Graph::build([], pairs.iter().map(edge))
    }

    #[test]
    fn order_is_by_need_and_then_by_name() {
        assert_eq!(graph(&[("b", "z"), ("a", "z"), ("c", "a")]).order(), Some(vec!["z", "a", "b", "c"]));
        assert_eq!(graph(&[("a", "b"), ("b", "a")]).order(), None);
    }

    #[test]
    fn reach_goes_as_far_as_needs_go_and_to_itself_only_in_a_circle() {
        let graph = graph(&[("a", "b"), ("b", "c"), ("x", "b"), ("y", "z"), ("z", "y")]);
        for (node, expected) in [("a", &["b", "c"][..]), ("c", &[]), ("x", &["b", "c"]), ("y", &["y", "z"]), ("nobody", &[])] {
            assert_eq!(graph.reach(node).into_iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn circles_are_the_shortest_through_the_first_name() {
        let table: [(&[Pair], &[&str]); 4] = [
            (&[("a", "b"), ("b", "a")], &["a -> b -> a"]),
            (&[("a", "a"), ("a", "b")], &["a -> a"]),
            (&[("d", "c"), ("c", "b"), ("b", "d"), ("c", "d"), ("x", "b")], &["b -> d -> c -> b"]),
            (&[("a", "b"), ("b", "c"), ("c", "a"), ("b", "a"), ("y", "z"), ("z", "y")], &["a -> b -> a", "y -> z -> y"]),
        ];
        for (pairs, expected) in table {
            let graph = graph(pairs);
            let way = |edges: &Vec<&Edge>| edges.iter().chain(edges.first()).map(|edge| edge.from.clone()).collect::<Vec<_>>().join(" -> ");
            let shown: Vec<String> = graph.cycles().iter().map(way).collect();
            assert_eq!(shown, expected);
        }
    }

    proptest! {
        #[test]
        fn a_graph_has_an_order_or_a_circle_whatever_the_insertion(pairs in proptest::collection::vec((0..12_u8, 0..12_u8), 0..30), seed in 0..30_usize) {
            let edge = |(from, to): &(u8, u8)| Edge { from: from.to_string(), to: to.to_string(), label: String::new(), span: None };
            let mut turned = pairs.clone();
            turned.rotate_left(if pairs.is_empty() { 0 } else { seed % pairs.len() });
            let (one, other) = (Graph::build([], pairs.iter().map(edge)), Graph::build([], turned.iter().map(edge)));
            prop_assert_eq!(one.order(), other.order());
            prop_assert_eq!(one.cycles(), other.cycles());
            prop_assert_eq!(one.order().is_none(), !one.cycles().is_empty());
            if let Some(order) = one.order() {
                let place = |node: &str| order.iter().position(|other| *other == node);
                prop_assert!(one.edges().all(|edge| place(&edge.to) < place(&edge.from)));
            }
            for circle in one.cycles() {
                for (edge, next) in circle.iter().zip(circle.iter().cycle().skip(1)) {
                    prop_assert_eq!(&edge.to, &next.from);
                }
            }
        }
    }
}
