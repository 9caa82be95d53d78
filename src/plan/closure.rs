//! What is quiet together, and in which order.
//!
//! To what is named is added what shares a namespace with something that is stopped, because it would be left in a namespace that
//! is gone, and what is joined to it by `volumes_from`, because it writes the same volumes. What is added so for its namespace is
//! stopped even where its service says `pause`. Only what works is quieted; for a restore what is paused too, because it would go
//! on with the files that were replaced.

use std::collections::{BTreeMap, VecDeque};

use super::refusal::Refusal;
use super::running::{Running, address, engine, part};
use super::window::{Handle, Quiet, Subject};
use crate::facts::{Container, Facts, RuntimeFacts, State};
use crate::finding::Finding;
use crate::graph::{Edge, Graph};
use crate::model::id::Name;
use crate::model::{Mode, Policy, PolicySet, READY_TIMEOUT, Ready, Service, ServiceKind, Source, SourceKind};

/// What must be quiet so that these services are, in the order in which it is quieted. `restoring`: everything is stopped and
/// nothing paused, and what is paused already is stopped too.
pub fn quiet(set: &PolicySet, facts: &Facts, services: &[Name], restoring: bool) -> Result<Vec<Quiet>, Vec<Finding>> {
    match close(set, facts, services, restoring) {
        Ok(closed) => Ok(closed.members.into_iter().map(|member| member.quiet).collect()),
        Err(refusals) => Err(refusals.iter().map(|refusal| refusal.finding(set)).collect()),
    }
}

/// A closed set, in the order in which it is quieted.
#[derive(Debug, Clone, Default)]
pub(super) struct Closed {
    pub(super) members: Vec<Member>,
    /// Labels of the members that lead nowhere: node, container, service.
    pub(super) dangling: Vec<(String, String, String)>,
}

/// One node of it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) quiet: Quiet,
    /// What it shares, and with what; none for what was named.
    pub(super) shares: Option<Shared>,
}

/// Why a node joined.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) with: String,
    pub(super) what: &'static str,
}

/// Why a policy cannot be captured now, as far as its services and its engine go.
pub(super) fn refusals(set: &PolicySet, facts: &Facts, policy: &Policy) -> Vec<Refusal> {
    let Some(source) = set.sources.get(&policy.source).filter(|_| facts.runtime != RuntimeFacts::NotChecked) else { return Vec::new() };
    if (matches!(source.kind, SourceKind::Volume(_)) || runs_in(source).is_some())
        && let Err(message) = engine(facts)
    {
        return vec![Refusal::Engine(message)];
    }
    match close(set, facts, &source.stop, false) {
        Err(refusals) => refusals,
        Ok(closed) => match runs_in(source).filter(|container| closed.quiets(container)) {
            Some(container) => vec![Refusal::Silenced { container: container.to_owned(), by: Vec::new() }],
            None => Vec::new(),
        },
    }
}

/// The container that a source is asked in: nothing answers there while it is quiet.
pub(super) fn runs_in(source: &Source) -> Option<&str> {
    match &source.kind {
        SourceKind::Files(_) | SourceKind::Volume(_) => None,
        SourceKind::Command(command) => command.container.as_deref(),
        SourceKind::Mongodb(mongodb) => mongodb.container(),
    }
}

impl Closed {
    /// Whether the container of this name is quiet.
    pub(super) fn quiets(&self, container: &str) -> bool {
        self.node_of(container).is_some()
    }

    /// The node with which the container of this name is quiet.
    pub(super) fn node_of(&self, container: &str) -> Option<&str> {
        let holds = |quiet: &Quiet| matches!(&quiet.handle, Handle::Containers(subjects) if subjects.iter().any(|s| s.name == container));
        self.members.iter().map(|member| &member.quiet).find(|quiet| holds(quiet)).map(|quiet| quiet.address.as_str())
    }
}

/// Closes a set of services, or says everything that is in the way of quieting it.
pub(super) fn close(set: &PolicySet, facts: &Facts, services: &[Name], restoring: bool) -> Result<Closed, Vec<Refusal>> {
    let named: Vec<&Service> = services.iter().filter_map(|name| set.services.get(name)).collect();
    if named.is_empty() {
        return Ok(Closed::default());
    }
    if named.iter().any(|s| !matches!(s.kind, ServiceKind::Command { container: None, .. }))
        && let Err(message) = engine(facts)
    {
        return Err(vec![Refusal::Engine(message)]);
    }
    let closing = Closing { running: Running::new(set, facts), restoring };
    let joined = closing.join(&named);
    let mut refusals = closing.absent(&named);
    let mut quiets: BTreeMap<String, Quiet> = BTreeMap::new();
    for (node, joined) in &joined {
        refusals.extend(closing.harmful(node, joined.mode));
        quiets.extend(closing.quiet(node, joined.mode).map(|quiet| (node.clone(), quiet)));
    }
    refusals.extend(closing.circles(&quiets));
    // a container that is two services is met in both
    let mut said: Vec<Refusal> = Vec::new();
    refusals.retain(|refusal| {
        !said.contains(refusal) && {
            said.push(refusal.clone());
            true
        }
    });
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let order = closing.order(&mut quiets);
    let member = |node: &String| Some(Member { quiet: quiets.remove(node)?, shares: joined.get(node)?.shares.clone() });
    let members: Vec<Member> = order.iter().filter_map(member).collect();
    let inside = |node: &String| members.iter().any(|m| m.quiet.address == *node);
    let dangling = closing.running.dangling.iter().filter(|(node, ..)| inside(node)).cloned().collect();
    Ok(Closed { members, dangling })
}

struct Closing<'a> {
    running: Running<'a>,
    restoring: bool,
}

struct Joined {
    mode: Mode,
    shares: Option<Shared>,
}

impl Closing<'_> {
    /// Everything that joins what is named, working or not.
    fn join(&self, named: &[&Service]) -> BTreeMap<String, Joined> {
        let mut joined: BTreeMap<String, Joined> = BTreeMap::new();
        let mut queue: VecDeque<String> = VecDeque::new();
        let mut names: Vec<&Name> = named.iter().map(|service| &service.name).collect();
        names.sort();
        for node in names.into_iter().map(address) {
            joined.insert(node.clone(), Joined { mode: self.mode(&node), shares: None });
            queue.push_back(node);
        }
        while let Some(node) = queue.pop_front() {
            let mode = joined.get(&node).map_or(Mode::Stop, |j| j.mode);
            for container in self.running.members(&node) {
                let mut next: Vec<(&str, Mode, &'static str)> = Vec::new();
                for other in self.running.joined_by_volumes(container) {
                    next.extend(self.running.nodes_of(&other.id).iter().map(|to| (to.as_str(), self.mode(to), "volumes")));
                }
                if mode == Mode::Stop && self.quieted(container) {
                    for other in self.running.sharers(container).into_iter().filter(|c| self.quieted(c)) {
                        next.extend(self.running.nodes_of(&other.id).iter().map(|to| (to.as_str(), Mode::Stop, "namespaces")));
                    }
                }
                for (to, mode, what) in next {
                    match joined.get_mut(to) {
                        Some(there) if there.mode == mode || mode == Mode::Pause => continue,
                        Some(there) => there.mode = mode,
                        None => {
                            let shares = Some(Shared { with: node.clone(), what });
                            joined.insert(to.to_owned(), Joined { mode, shares });
                        }
                    }
                    queue.push_back(to.to_owned());
                }
            }
        }
        joined
    }

    fn mode(&self, node: &str) -> Mode {
        if self.restoring { Mode::Stop } else { self.running.service(node).map_or(Mode::Stop, |service| service.mode) }
    }

    fn quieted(&self, container: &Container) -> bool {
        let state = self.running.state(container);
        state.works() || (self.restoring && state == State::Paused)
    }

    /// Named services of which nothing is there.
    fn absent(&self, named: &[&Service]) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for service in named {
            let missing = || Refusal::Missing { service: service.name.clone(), kind: service.kind.clone() };
            match &service.kind {
                ServiceKind::Container { .. } | ServiceKind::Compose { .. } => {
                    if self.running.members(&address(&service.name)).is_empty() {
                        refusals.push(missing());
                    }
                }
                ServiceKind::Command { container: None, .. } => {}
                ServiceKind::Command { container: Some(name), .. } => match self.running.named(name).map(|c| self.running.state(c)) {
                    None => refusals.push(missing()),
                    Some(State::Running) => {}
                    Some(state) => {
                        let (service, container) = (service.name.clone(), name.clone());
                        refusals.push(Refusal::NotRunning { service, container, state: state.as_str() });
                    }
                },
            }
        }
        refusals
    }

    /// Containers of a node that must not be quieted.
    fn harmful(&self, node: &str, mode: Mode) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for container in self.running.members(node).iter().filter(|c| self.quieted(c)) {
            let (node, name) = (node.to_owned(), container.name.clone());
            let nodes = self.running.nodes_of(&container.id);
            if container.own {
                refusals.push(Refusal::Own { node, container: name });
            } else if let Some(swarm) = &container.swarm {
                refusals.push(Refusal::Swarm { node, container: name, swarm: swarm.clone() });
            } else if container.auto_remove && mode == Mode::Stop {
                refusals.push(Refusal::AutoRemove { node, container: name });
            } else if nodes.len() > 1 {
                refusals.push(Refusal::Twice { nodes: nodes.to_vec(), container: name });
            }
        }
        refusals
    }

    /// The circles that members are part of: none of them has a place in any order.
    fn circles(&self, quiets: &BTreeMap<String, Quiet>) -> Vec<Refusal> {
        let graph = &self.running.graph;
        let knotted: Vec<_> =
            quiets.keys().map(|node| (node, graph.reach(node))).filter(|(node, reach)| reach.contains(node.as_str())).collect();
        if knotted.is_empty() {
            return Vec::new();
        }
        let touched = |edges: &Vec<&Edge>| {
            edges.first().is_some_and(|edge| {
                let reach = graph.reach(&edge.from);
                knotted.iter().any(|(node, needs)| needs.contains(edge.from.as_str()) && reach.contains(node.as_str()))
            })
        };
        let circles = graph.cycles().into_iter().filter(touched);
        circles.map(|edges| Refusal::Circle(edges.into_iter().cloned().collect())).collect()
    }

    /// What is quieted of a node; none where nothing works.
    fn quiet(&self, node: &str, mode: Mode) -> Option<Quiet> {
        let service = self.running.service(node);
        let handle = if let Some(ServiceKind::Command { quiesce, resume, container, user }) = service.map(|s| &s.kind) {
            Handle::Command { quiesce: quiesce.clone(), resume: resume.clone(), container: container.clone(), user: user.clone() }
        } else {
            let works = self.running.members(node).iter().filter(|c| self.quieted(c));
            let subjects: Vec<Subject> = works.map(|c| self.subject(c)).collect();
            if subjects.is_empty() {
                return None;
            }
            Handle::Containers(subjects)
        };
        Some(Quiet {
            address: node.to_owned(),
            handle,
            mode,
            stop_timeout: service.and_then(|s| s.stop_timeout),
            ready: service.map_or(Ready::Default, |s| s.ready.clone()),
            ready_timeout: service.map_or(READY_TIMEOUT, |s| s.ready_timeout),
            needs: Vec::new(),
        })
    }

    fn subject(&self, container: &Container) -> Subject {
        Subject {
            id: container.id.clone(),
            name: container.name.clone(),
            was: self.running.state(container),
            started_at: container.started_at.clone(),
            compose: part(container).map(|c| (c.project.clone(), c.service.clone(), c.number)),
        }
    }

    /// The order in which they are quieted: what needs others before what it needs, through what is not among them too. Fills in
    /// what each needs.
    fn order(&self, quiets: &mut BTreeMap<String, Quiet>) -> Vec<String> {
        let nodes: Vec<String> = quiets.keys().cloned().collect();
        let mut edges = Vec::new();
        for (node, quiet) in quiets {
            let reach = self.running.graph.reach(node);
            quiet.needs = nodes.iter().filter(|other| *other != node && reach.contains(other.as_str())).cloned().collect();
            let edge = |need: &String| Edge { from: node.clone(), to: need.clone(), label: String::new(), span: None };
            edges.extend(quiet.needs.iter().map(edge));
        }
        let graph = Graph::build(nodes, edges);
        // circles were refused, so there is an order
        let mut order: Vec<String> = graph.order().unwrap_or_default().into_iter().map(str::to_owned).collect();
        order.reverse();
        order
    }
}
