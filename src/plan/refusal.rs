//! Why something cannot be quieted, and what is odd about quieting it: as values, and as findings.

use super::running::address;
use super::window::Downtime;
use crate::finding::world as code;
use crate::finding::{Code, Finding, Span};
use crate::graph::Edge;
use crate::model::id::{Instant, Name};
use crate::model::{Period, Policy, PolicySet, ServiceKind};

/// Why a set of services cannot be quieted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// The engine did not answer: a sentence that names where it was looked for.
    Engine(String),
    /// Nothing is there for a service: what it would be.
    Missing { service: Name, kind: ServiceKind },
    /// Where a service's commands would run, nothing runs.
    NotRunning { service: Name, container: String, state: &'static str },
    /// A stop would remove the container.
    AutoRemove { node: String, container: String },
    /// This program runs in the container.
    Own { node: String, container: String },
    /// Swarm would start another one.
    Swarm { node: String, container: String, swarm: String },
    /// A container is two services.
    Twice { nodes: Vec<String>, container: String },
    /// The source's command would have to run in a container that is quiet: for its own policy, or for these.
    Silenced { container: String, by: Vec<Name> },
    /// There is no order.
    Circle(Vec<Edge>),
}

impl Refusal {
    /// What is in the way: one sentence fragment.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Engine(message) => message.clone(),
            Self::Missing { service, kind } => match kind {
                ServiceKind::Container { container } | ServiceKind::Command { container: Some(container), .. } => {
                    format!("service `{service}` needs container `{container}`, which does not exist")
                }
                ServiceKind::Compose { project, service: of } => {
                    format!("service `{service}` is `{of}` of compose project `{project}`, which has no container")
                }
                ServiceKind::Command { container: None, .. } => format!("service `{service}` is not there"),
            },
            Self::NotRunning { service, container, state } => {
                format!("the commands of service `{service}` run in container `{container}`, which is {state}")
            }
            Self::AutoRemove { node, container } => format!("{}would remove it, with its anonymous volumes", stopping(node, container)),
            Self::Own { node, container } => format!("{}would stop this program, which runs in it", stopping(node, container)),
            Self::Swarm { node, container, swarm } => {
                format!("{}would make swarm start another task of service `{swarm}`", stopping(node, container))
            }
            Self::Twice { nodes, container } => format!("container `{container}` is {} at once", named(nodes)),
            Self::Silenced { container, by } => {
                let names: Vec<String> = by.iter().map(|policy| format!("`{policy}`")).collect();
                let whose = if by.is_empty() { "by its own `stop`".to_owned() } else { format!("for policy {}", names.join(", ")) };
                format!("it is read in container `{container}`, which is quiet {whose}")
            }
            Self::Circle(edges) => {
                let way: Vec<&str> = edges.iter().chain(edges.first()).map(|edge| edge.from.as_str()).collect();
                format!("these need each other in a circle: {}", way.join(" -> "))
            }
        }
    }

    /// What to do about it.
    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::Engine(_) => "start the engine, or make its socket readable for this user; nothing was stopped or deleted",
            Self::Missing { .. } => "create what is missing, or change the service in the manifest",
            Self::NotRunning { .. } => "start that container, or change the service in the manifest",
            Self::AutoRemove { .. } => "create the container without `--rm`, or quiet it with `mode = \"pause\"`",
            Self::Own { .. } => "run lucid-policy on the host, or leave its own container out of `stop`",
            Self::Swarm { .. } => "leave it out of `stop`: this version does not quiet services of a swarm",
            Self::Twice { .. } => "declare it once",
            Self::Silenced { by, .. } if by.is_empty() => "leave that container out of `stop`: it must be awake to be read",
            Self::Silenced { .. } => "the next run captures it; schedules that are apart avoid this",
            Self::Circle(_) => "remove one of these needs from the manifest or from the compose file",
        }
    }

    /// The finding's code.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Engine(_) => code::ENGINE_UNREACHABLE,
            Self::Missing { .. } => code::SERVICE_MISSING,
            Self::NotRunning { .. } => code::SERVICE_NOT_RUNNING,
            Self::AutoRemove { .. } => code::STOP_REMOVES,
            Self::Own { .. } => code::STOP_SELF,
            Self::Swarm { .. } => code::STOP_SWARM,
            Self::Twice { .. } => code::SERVICE_TWICE,
            Self::Silenced { .. } => code::STOP_SOURCE,
            Self::Circle(_) => code::SERVICE_CYCLE,
        }
    }

    /// The finding, for what is not bound to one policy.
    pub(super) fn finding(&self, set: &PolicySet) -> Finding {
        self.explained(set, Finding::new(self.code(), self.sentence()))
    }

    /// Says why a policy is not captured. An engine that is away is said once, with a place for every policy that waits for it.
    pub(super) fn tell(&self, set: &PolicySet, policy: &Policy, findings: &mut Vec<Finding>) {
        let span = policy.spans.source.clone();
        if let Self::Engine(message) = self {
            let place = format!("policy `{}` is not captured", policy.name);
            match findings.iter().position(|f| f.code == code::ENGINE_UNREACHABLE) {
                Some(said) => findings[said].labels.push(crate::finding::Label { span, text: place }),
                None => findings.push(Finding::new(self.code(), message.clone()).at(span, place).help(self.help())),
            }
            return;
        }
        let message = format!("policy `{}` is not captured: {}", policy.name, self.sentence());
        findings.push(self.explained(set, Finding::new(self.code(), message).at(span, "its source stops services")));
    }

    fn explained(&self, set: &PolicySet, finding: Finding) -> Finding {
        let declared = |node: &str| -> Option<Span> { Some(set.services.get(node.strip_prefix("service.")?)?.span.clone()) };
        let finding = match self {
            Self::Engine(_) | Self::Silenced { .. } => finding,
            Self::Missing { service, .. } | Self::NotRunning { service, .. } => {
                finding.maybe_at(declared(&address(service)), "this service")
            }
            Self::AutoRemove { node, .. } | Self::Own { node, .. } | Self::Swarm { node, .. } => {
                finding.maybe_at(declared(node), "this service")
            }
            Self::Twice { nodes, .. } => nodes.iter().fold(finding, |finding, node| finding.maybe_at(declared(node), "this service")),
            Self::Circle(edges) => edges.iter().fold(finding, |finding, edge| {
                finding.maybe_at(edge.span.clone(), format!("`{}` needs `{}` by `{}`", edge.from, edge.to, edge.label))
            }),
        };
        finding.help(self.help())
    }
}

fn stopping(node: &str, container: &str) -> String {
    match node.strip_prefix("container.") {
        Some(_) => format!("quieting container `{container}` "),
        None => format!("quieting container `{container}` of `{node}` "),
    }
}

fn named(nodes: &[String]) -> String {
    nodes.iter().map(|node| format!("`{node}`")).collect::<Vec<_>>().join(" and ")
}

/// A label that leads nowhere.
pub(super) fn dangling(set: &PolicySet, node: &str, container: &str, service: &str) -> Finding {
    let span = node.strip_prefix("service.").and_then(|name| set.services.get(name)).map(|s| s.span.clone());
    Finding::new(
        code::LABEL_DANGLING,
        format!("a label says that container `{container}` needs service `{service}`, of which its project has no container"),
    )
    .maybe_at(span, "quieted and woken without it")
    .help(format!("create `{service}`, or create `{container}` again from the compose file as it is now"))
}

/// Somebody writes what is being read.
pub(super) fn writer(policy: &Policy, container: &str, what: &str) -> Finding {
    Finding::new(code::WRITER_AWAKE, format!("container `{container}` writes {what} while policy `{}` captures it", policy.name))
        .maybe_at(Some(policy.spans.source.clone()), "its source stops others, but not that one")
        .help("declare a service for it and add that to `stop`, or mount it read-only there")
}

/// A window that will be longer than somebody wants.
pub(super) fn too_long(policy: &Policy, window: &str, downtime: &Downtime, limit: &Period) -> Finding {
    let message = format!(
        "window {window} is expected to last {} s, longer than the `max_downtime` of {limit} of policy `{}`",
        downtime.seconds, policy.name
    );
    Finding::new(code::DOWNTIME_TOO_LONG, message)
        .maybe_at(Some(policy.spans.table.clone()), "its capture would be broken off")
        .help("raise `max_downtime`, or let policies that share the window run at other times")
}

/// Captures that would stop services, where nobody has looked at any.
pub(super) fn unseen(policies: &[&Policy]) -> Option<Finding> {
    let names: Vec<String> = policies.iter().map(|policy| format!("`{}`", policy.name)).collect();
    let message = format!("services were not looked at, so that no stop is shown for policy {}", names.join(", "));
    let finding = Finding::new(code::SERVICES_UNSEEN, message).help("`lucid-policy plan` on the host shows what would be quiet");
    let finding = policies.iter().fold(finding, |finding, policy| finding.at(policy.spans.source.clone(), "its source stops services"));
    (!policies.is_empty()).then_some(finding)
}

/// The first capture of what stops services is not made at any time of the day.
pub(super) fn first_waits(policy: &Policy, next: Option<Instant>) -> Finding {
    let waits = match next {
        Some(next) => format!("waits for its slot of {}", next.format("%F %T UTC")),
        None => "waits until somebody asks for it".to_owned(),
    };
    Finding::new(code::FIRST_CAPTURE_WAITS, format!("policy `{}` was never captured, stops services, and {waits}", policy.name))
        .maybe_at(Some(policy.spans.table.clone()), "this policy")
        .help(format!("run `lucid-policy apply --now --only policy.{}` to capture it now", policy.name))
}
