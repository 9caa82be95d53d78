//! Services: what can be quieted and woken, what each needs, and that no two are one.

use std::collections::BTreeMap;

use super::id::Name;
use super::read::Resolver;
use crate::finding::{Finding, Span, manifest as code};
use crate::manifest::tables::{self, DurationText, FilledText, NameText};
use crate::manifest::{Entity, Noun, Period, ServiceTable};

/// How long is waited for a service to be ready, unless the manifest says otherwise. Seconds.
pub const READY_TIMEOUT: u64 = 120;
/// How late a missed slot may still run where services stop, unless the manifest says otherwise: a host that was off at night must not
/// stop them in the morning.
pub const CATCH_UP_WITHIN: Period = Period::from_seconds(3600);
/// The longest `stop_timeout` and `ready_timeout`. Seconds.
const LONGEST: u64 = 86_400;

/// Something that can be quieted and woken.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: ServiceKind,
    /// Services that it needs, beside those that compose labels name: it is quiet before them and awake after them.
    pub depends_on: Vec<Name>,
    /// How it is quieted. Of no meaning for commands.
    pub mode: Mode,
    /// Seconds that its containers have to end; none: each container's own grace period. For commands: the limit of `quiesce` and `resume`.
    pub stop_timeout: Option<u64>,
    /// When it counts as awake.
    pub ready: Ready,
    /// Seconds that it may take.
    pub ready_timeout: u64,
    /// Where it is declared.
    pub span: Span,
    /// Where its `depends_on` stands.
    pub depends_span: Span,
}

/// What a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// One container.
    Container {
        /// Its name.
        container: String,
    },
    /// All containers of a compose service.
    Compose {
        /// The project.
        project: String,
        /// The service.
        service: String,
    },
    /// A pair of commands.
    Command {
        /// Program and arguments that quiet it.
        quiesce: Vec<String>,
        /// Program and arguments that wake it. May run more than once.
        resume: Vec<String>,
        /// The container they run in; none: this host.
        container: Option<String>,
        /// The user in that container.
        user: Option<String>,
    },
}

/// How a container is quieted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Its process ends.
    Stop,
    /// Its processes freeze where they are: as after a power cut, for what reads their files.
    Pause,
}

/// When a service counts as awake.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// Healthy where the container has a health check, else started.
    Default,
    /// It runs.
    Started,
    /// Its health check says so.
    Healthy,
    /// A TCP port of its container takes connections.
    Port(u16),
    /// A command in its container (for a command service: where its commands run) ends with 0.
    Command(Vec<String>),
}

impl ServiceKind {
    /// The kind's word in the manifest.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Container { .. } => "container",
            Self::Compose { .. } => "compose",
            Self::Command { .. } => "command",
        }
    }

    /// What it stands for, in words that are equal where it is the same; none for commands, whose effect nothing can compare.
    fn what(&self) -> Option<String> {
        match self {
            Self::Container { container } => Some(format!("container `{container}`")),
            Self::Compose { project, service } => Some(format!("service `{service}` of the compose project `{project}`")),
            Self::Command { .. } => None,
        }
    }
}

/// What the tables of all kinds have.
struct Common<'a> {
    depends_on: Option<&'a Vec<NameText>>,
    mode: Option<tables::Mode>,
    stop_timeout: Option<&'a DurationText>,
    ready: Option<tables::Ready>,
    ready_port: Option<i64>,
    ready_command: Option<&'a Vec<String>>,
    ready_timeout: Option<&'a DurationText>,
}

macro_rules! common {
    ($table:expr, $mode:expr) => {
        Common {
            depends_on: $table.depends_on.as_ref(),
            mode: $mode,
            stop_timeout: $table.stop_timeout.as_ref(),
            ready: $table.ready,
            ready_port: $table.ready_port,
            ready_command: $table.ready_command.as_ref(),
            ready_timeout: $table.ready_timeout.as_ref(),
        }
    };
}

impl<'a> From<&'a ServiceTable> for Common<'a> {
    fn from(table: &'a ServiceTable) -> Self {
        match table {
            ServiceTable::Container(table) => common!(table, table.mode),
            ServiceTable::Compose(table) => common!(table, table.mode),
            ServiceTable::Command(table) => common!(table, None),
        }
    }
}

impl Resolver<'_> {
    pub(super) fn services(&mut self, entities: &[Entity<ServiceTable>]) -> BTreeMap<Name, Service> {
        let mut services = BTreeMap::new();
        let mut taken: Vec<(String, &Entity<ServiceTable>)> = Vec::new();
        for entity in entities {
            let Some(table) = &entity.written else { continue };
            let kind = self.service_kind(entity, table);
            if let Some(what) = kind.as_ref().and_then(ServiceKind::what) {
                match taken.iter().find(|(other, first)| *other == what && first.name != entity.name) {
                    Some((_, first)) => self.service_shared(entity, first, &what),
                    None => taken.push((what, entity)),
                }
            }
            let common = Common::from(table);
            let depends_on = self.services_named(Noun::Service, entity, "depends_on", common.depends_on);
            let stop_timeout = self.at_most_a_day(entity, "stop_timeout", common.stop_timeout);
            let ready_timeout = self.at_most_a_day(entity, "ready_timeout", common.ready_timeout);
            let hostly = matches!(table, ServiceTable::Command(table) if table.container.is_none());
            let ready = self.ready(entity, &common, hostly);
            if let (Some(kind), Ok(name)) = (kind, entity.name.parse::<Name>()) {
                services.entry(name.clone()).or_insert(Service {
                    name,
                    kind,
                    depends_on,
                    mode: if common.mode == Some(tables::Mode::Pause) { Mode::Pause } else { Mode::Stop },
                    stop_timeout,
                    ready,
                    ready_timeout: ready_timeout.unwrap_or(READY_TIMEOUT),
                    span: entity.head(),
                    depends_span: entity.value("depends_on"),
                });
            }
        }
        services
    }

    fn service_kind(&mut self, entity: &Entity<ServiceTable>, table: &ServiceTable) -> Option<ServiceKind> {
        let mut named = |key: &str, written: Option<&FilledText>| match written {
            None => Some(entity.name.clone()),
            Some(text) => self.filled(entity, key, text),
        };
        match table {
            ServiceTable::Container(table) => Some(ServiceKind::Container { container: named("container", table.container.as_ref())? }),
            ServiceTable::Compose(table) => {
                let (project, service) = (named("project", Some(&table.project)), named("service", table.service.as_ref()));
                Some(ServiceKind::Compose { project: project?, service: service? })
            }
            ServiceTable::Command(table) => {
                self.program(entity, "quiesce", &table.quiesce);
                self.program(entity, "resume", &table.resume);
                let (container, user) = self.inside(entity, table.container.as_ref(), table.user.as_ref());
                Some(ServiceKind::Command { quiesce: table.quiesce.clone(), resume: table.resume.clone(), container, user })
            }
        }
    }

    fn service_shared(&mut self, entity: &Entity<ServiceTable>, first: &Entity<ServiceTable>, what: &str) {
        let place = |entity: &Entity<ServiceTable>| match &entity.written {
            Some(ServiceTable::Compose(_)) => entity.value("service"),
            _ => entity.value("container"),
        };
        self.findings.push(
            Finding::new(code::SERVICE_SHARED, format!("the services `{}` and `{}` are one: {what}", first.name, entity.name))
                .at(place(entity), "the same again")
                .at(place(first), "first named here")
                .help("remove one of them, and name the other wherever it was named"),
        );
    }

    /// A container and a user in it; there is no user without a container.
    pub(super) fn inside<T>(
        &mut self,
        entity: &Entity<T>,
        container: Option<&FilledText>,
        user: Option<&FilledText>,
    ) -> (Option<String>, Option<String>) {
        if container.is_none() && user.is_some() && entity.whole {
            self.findings.push(
                Finding::new(code::USER_WITHOUT_CONTAINER, format!("`{}.user` is a user of no container", entity.path))
                    .at(entity.key("user"), "would never be used")
                    .help("set `container`; on this host commands run as the user who runs this program"),
            );
        }
        (container.and_then(|text| self.filled(entity, "container", text)), user.and_then(|text| self.filled(entity, "user", text)))
    }

    /// A list of references to services, each once.
    pub(super) fn services_named<T>(
        &mut self,
        from: Noun,
        entity: &Entity<T>,
        key: &'static str,
        written: Option<&Vec<NameText>>,
    ) -> Vec<Name> {
        let written = written.map(Vec::as_slice).unwrap_or_default();
        let mut services = Vec::new();
        for (n, text) in written.iter().enumerate() {
            let place = format!("{key}[{n}]");
            if let Some(first) = written[..n].iter().position(|other| other == text) {
                self.findings.push(
                    Finding::new(code::DUPLICATE_SERVICE, format!("`{}.{key}` names `{}` twice", entity.path, text.0))
                        .at(entity.value(&place), "named again here")
                        .at(entity.value(&format!("{key}[{first}]")), "first named here")
                        .help("remove one of them"),
                );
                continue;
            }
            services.extend(self.needs((from, entity), Noun::Service, text, key, &place));
        }
        services
    }

    fn at_most_a_day<T>(&mut self, entity: &Entity<T>, key: &str, written: Option<&DurationText>) -> Option<u64> {
        let period = self.period(entity, key, written)?;
        if period.at_most_seconds() <= LONGEST {
            return Some(period.seconds);
        }
        self.findings.push(
            Finding::new(code::OUT_OF_RANGE, format!("`{}.{key}` must be at most 1d", entity.path))
                .at(entity.value(key), "too long: all that depends on it would wait"),
        );
        None
    }

    fn ready<T>(&mut self, entity: &Entity<T>, common: &Common<'_>, hostly: bool) -> Ready {
        let port = self.within(entity, "ready_port", common.ready_port, 1..=65_535).and_then(|port| u16::try_from(port).ok());
        if let Some(argv) = common.ready_command {
            self.program(entity, "ready_command", argv);
        }
        let keys = [
            ("ready_port", "port", tables::Ready::Port, common.ready_port.is_some()),
            ("ready_command", "command", tables::Ready::Command, common.ready_command.is_some()),
        ];
        for (key, word, meant, written) in keys {
            match (written, common.ready == Some(meant)) {
                (true, false) if entity.whole => self.findings.push(
                    Finding::new(code::READY_FORM, format!("`{}.{key}` is only for `ready = \"{word}\"`", entity.path))
                        .at(entity.key(key), "would never be used")
                        .help(format!("write `ready = \"{word}\"`, or remove `{key}`")),
                ),
                (false, true) if entity.whole => self.findings.push(
                    Finding::new(code::MISSING_KEY, format!("`{}` has no `{key}`", entity.path))
                        .at(entity.value("ready"), format!("needs `{key}`"))
                        .help(format!("add `{key}`")),
                ),
                _ => {}
            }
        }
        if hostly && entity.whole && matches!(common.ready, Some(tables::Ready::Healthy | tables::Ready::Port)) {
            self.findings.push(
                Finding::new(code::READY_FORM, format!("`{}.ready` asks a container, and there is none", entity.path))
                    .at(entity.value("ready"), "only a container has it")
                    .help("set `container`, or write `ready = \"command\"` with `ready_command`"),
            );
        }
        match (common.ready, port, common.ready_command) {
            (Some(tables::Ready::Started), ..) => Ready::Started,
            (Some(tables::Ready::Healthy), ..) => Ready::Healthy,
            (Some(tables::Ready::Port), Some(port), _) => Ready::Port(port),
            (Some(tables::Ready::Command), _, Some(argv)) => Ready::Command(argv.clone()),
            _ => Ready::Default,
        }
    }
}
