//! The effective graph: what the manifest declares, joined with what an engine shows.
//!
//! Nodes are `service.NAME` for services, and `container.NAME` for containers that no service covers. An edge is a need, and comes
//! from the manifest's `depends_on`, from compose's labels, from shared namespaces, from `volumes_from`, and from the container that a
//! command service runs in. What was made by `compose run` is no part of its service: labels neither lead to it nor from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Compose, Condition, Container, Facts, Picture, RuntimeFacts, State};
use crate::graph::{Edge, Graph};
use crate::model::id::Name;
use crate::model::{PolicySet, Service, ServiceKind};

/// What runs, by the names of the graph.
pub(super) struct Running<'a> {
    set: &'a PolicySet,
    /// The containers of each node, by name.
    members: BTreeMap<String, Vec<&'a Container>>,
    /// The nodes of each container, by id: more than one where services overlap.
    nodes: BTreeMap<&'a str, Vec<String>>,
    /// Containers that a run has quieted: one that has died, or one that wakes them in a moment.
    owed: BTreeSet<&'a str>,
    /// What needs what.
    pub(super) graph: Graph,
    /// Labels that name services without a container: the node, its container, the service.
    pub(super) dangling: Vec<(String, String, String)>,
}

impl<'a> Running<'a> {
    /// Joins a manifest with what was seen.
    pub(super) fn new(set: &'a PolicySet, facts: &'a Facts) -> Self {
        let mut containers: Vec<&Container> = facts.runtime.picture().into_iter().flat_map(|p| &p.containers).collect();
        containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let mut running = Self {
            set,
            members: BTreeMap::new(),
            nodes: BTreeMap::new(),
            owed: facts.owed.iter().flat_map(|owed| &owed.containers).map(String::as_str).collect(),
            graph: Graph::build([], []),
            dangling: Vec::new(),
        };
        for service in set.services.values() {
            let covered = containers.iter().copied().filter(|c| covers(&service.kind, c));
            running.put(address(&service.name), covered.collect());
        }
        for container in &containers {
            if !running.nodes.contains_key(container.id.as_str()) {
                running.put(format!("container.{}", container.name), vec![container]);
            }
        }
        let edges = running.edges(&containers);
        running.graph = Graph::build(running.members.keys().cloned(), edges);
        running
    }

    fn put(&mut self, node: String, containers: Vec<&'a Container>) {
        for container in &containers {
            self.nodes.entry(&container.id).or_default().push(node.clone());
        }
        self.members.insert(node, containers);
    }

    /// The containers of a node, working or not, by name.
    pub(super) fn members(&self, node: &str) -> &[&'a Container] {
        self.members.get(node).map_or(&[], Vec::as_slice)
    }

    /// The nodes of a container.
    pub(super) fn nodes_of(&self, id: &str) -> &[String] {
        self.nodes.get(id).map_or(&[], Vec::as_slice)
    }

    /// The declared service of a node.
    pub(super) fn service(&self, node: &str) -> Option<&'a Service> {
        self.set.services.get(node.strip_prefix("service.")?)
    }

    /// The container of this name.
    pub(super) fn named(&self, name: &str) -> Option<&'a Container> {
        self.containers().find(|c| c.name == name)
    }

    /// Every container, as often as it is covered.
    fn containers(&self) -> impl Iterator<Item = &'a Container> {
        self.members.values().flatten().copied()
    }

    /// What it will do once interrupted runs are recovered.
    pub(super) fn state(&self, container: &Container) -> State {
        if self.owed.contains(container.id.as_str()) { State::Running } else { container.state }
    }

    /// Containers that live in a namespace of this one, by name.
    pub(super) fn sharers(&self, provider: &Container) -> Vec<&'a Container> {
        self.containers().filter(|c| c.shares.contains(&provider.id)).collect()
    }

    /// Containers that use this one's volumes or whose volumes this one uses, by name.
    pub(super) fn joined_by_volumes(&self, one: &Container) -> Vec<&'a Container> {
        self.containers().filter(|c| c.volumes_from.contains(&one.id) || one.volumes_from.contains(&c.id)).collect()
    }

    fn edges(&mut self, containers: &[&'a Container]) -> Vec<Edge> {
        let mut edges = Vec::new();
        for service in self.set.services.values() {
            for need in &service.depends_on {
                edges
                    .push(Edge { span: Some(service.depends_span.clone()), ..edge(&address(&service.name), &address(need), "depends_on") });
            }
            if let ServiceKind::Command { container: Some(name), .. } = &service.kind
                && let Some(container) = self.named(name)
            {
                edges.extend(self.nodes_of(&container.id).iter().map(|to| edge(&address(&service.name), to, "container")));
            }
        }
        let known: BTreeMap<&str, &Container> = containers.iter().map(|c| (c.id.as_str(), *c)).collect();
        let mut services: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for (container, compose) in containers.iter().filter_map(|c| Some((c, part(c)?))) {
            services.entry((&compose.project, &compose.service)).or_default().push(&container.id);
        }
        let mut dangling = Vec::new();
        for container in containers {
            for from in self.nodes_of(&container.id) {
                let shared = container.shares.iter().map(|id| (id, "namespace"));
                for (id, label) in shared.chain(container.volumes_from.iter().map(|id| (id, "volumes_from"))) {
                    edges.extend(known.get(id.as_str()).iter().flat_map(|c| self.nodes_of(&c.id)).map(|to| edge(from, to, label)));
                }
                let Some(compose) = part(container) else { continue };
                for dependency in &compose.depends_on {
                    match services.get(&(compose.project.as_str(), dependency.service.as_str())) {
                        Some(ids) => {
                            edges.extend(ids.iter().flat_map(|id| self.nodes_of(id)).map(|to| edge(from, to, "label")));
                        }
                        // A job that has run may be cleared away.
                        None if dependency.condition == Condition::Completed => {}
                        None => dangling.push((from.clone(), container.name.clone(), dependency.service.clone())),
                    }
                }
            }
        }
        self.dangling = dangling;
        // What a service's containers need of each other is no order of services; only a manifest can say that one needs itself.
        edges.retain(|e| e.from != e.to || e.span.is_some());
        edges
    }
}

/// The address of a service.
pub(super) fn address(service: &Name) -> String {
    format!("service.{service}")
}

/// The picture of the engine, or why there is none.
pub(super) fn engine(facts: &Facts) -> Result<&Picture, String> {
    match &facts.runtime {
        RuntimeFacts::Seen(picture) => Ok(picture),
        RuntimeFacts::Unreachable(message) => Err(message.clone()),
        RuntimeFacts::NotNeeded | RuntimeFacts::NotChecked => Err("no container engine was looked for".to_owned()),
    }
}

/// What compose says of a container that is part of its service.
pub(super) fn part(container: &Container) -> Option<&Compose> {
    container.compose.as_ref().filter(|compose| !compose.one_off)
}

fn covers(kind: &ServiceKind, container: &Container) -> bool {
    match kind {
        ServiceKind::Container { container: name } => container.name == *name,
        ServiceKind::Compose { project, service } => part(container).is_some_and(|c| c.project == *project && c.service == *service),
        ServiceKind::Command { .. } => false,
    }
}

fn edge(from: &str, to: &str, label: &str) -> Edge {
    Edge { from: from.to_owned(), to: to.to_owned(), label: label.to_owned(), span: None }
}
