//! A compose project whose services write, and a world that backs it up.

use std::cell::RefCell;
use std::collections::BTreeSet;

use chrono::Timelike;

use super::{Engine, Project};
use crate::shared::{World, until};

/// Keeps two files equal, and ends between two lines when it is told to: a reader that sees them differ has read while it wrote.
const WRITER: &str = "trap 'end=1' TERM INT; n=0; \
     while [ -z \"$$end\" ]; do n=$$((n+1)); echo $$n >>/data/one; echo $$n >>/data/two; usleep 20000; done";

/// Three services in a row, each with a volume of its own that it writes to: `back`, `middle` that needs it, `front` that needs that
/// one; and `aside`, which nobody stops.
const SERVICES: [(&str, &str); 4] =
    [("back", ""), ("middle", "depends_on: {back: {condition: service_healthy}}"), ("front", "depends_on: [middle]"), ("aside", "")];

/// What is declared beside the stack in a manifest. The newest slot is some minutes past and the next one most of an hour away, so that
/// no slot comes between two looks of a test.
pub(crate) fn rest() -> String {
    let minute = (chrono::Utc::now().minute() + 55) % 60;
    format!(
        "version = 1\nname = \"demo\"\ntimezone = \"Etc/UTC\"\n[store.directory.local]\npath = \"backups\"\n\
         [schedule]\nhourly = {{ cron = \"{minute} * * * *\" }}\n[retention]\nmonth = {{ keep_within = \"30d\", min_count = 3 }}\n"
    )
}

/// A stack that is up, its engine, and a world with a manifest for it.
#[must_use]
pub(crate) struct Stack {
    pub(crate) project: Project,
    pub(crate) world: World,
    pub(crate) engine: Engine,
    /// Artifacts that have been restored once: they do not change.
    tried: RefCell<BTreeSet<String>>,
}

impl Stack {
    /// One on the engine that all tests share, by today's compose.
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::on(Engine::new(), |yaml| yaml)
    }

    /// One on an engine, its compose file changed.
    #[track_caller]
    pub(crate) fn on(engine: Engine, change: impl FnOnce(String) -> String) -> Self {
        let project = engine.compose(&change(yaml()));
        Self::of(engine, project)
    }

    /// One by the compose of old.
    #[track_caller]
    pub(crate) fn v1() -> Self {
        let engine = Engine::new();
        let project = engine.compose_v1(&format!("version: \"2.4\"\n{}", yaml()));
        Self::of(engine, project)
    }

    #[track_caller]
    fn of(engine: Engine, project: Project) -> Self {
        let world = World::new(&manifest(&project.name)).on(&engine.client.host);
        let stack = Self { project, world, engine, tried: RefCell::default() };
        stack.writes();
        stack
    }

    /// Waits until every service has written.
    #[track_caller]
    pub(crate) fn writes(&self) {
        for (name, _) in SERVICES {
            until(&format!("{name} writes"), || self.lines(name) > 5);
        }
    }

    /// Lines of a service's file.
    pub(crate) fn lines(&self, service: &str) -> usize {
        std::fs::read_to_string(self.project.volume(service).folder.join("two")).unwrap_or_default().lines().count()
    }

    /// When each service was last started.
    #[track_caller]
    pub(crate) fn starts(&self) -> Vec<String> {
        SERVICES.iter().map(|(name, _)| self.project.service(name).started_at()).collect()
    }

    /// What each service does.
    #[track_caller]
    pub(crate) fn states(&self) -> Vec<String> {
        SERVICES.iter().map(|(name, _)| self.project.service(name).state()).collect()
    }

    /// Whether everything runs, as in the beginning.
    #[track_caller]
    pub(crate) fn all_run(&self) {
        assert_eq!(self.states(), ["running"; 4]);
    }

    /// Everything that is listed restores, and never shows the two files of a writer different.
    #[track_caller]
    pub(crate) fn restores(&self) {
        let _ = self.world.run("verify --no-notes").good();
        let listed = self.world.run("list --format json").good().json();
        let ids = listed["artifacts"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap().to_owned());
        for (n, id) in ids.filter(|id| self.tried.borrow_mut().insert(id.clone())).enumerate() {
            let to = format!("restored-{n}");
            let policy = "stack";
            let _ = self.world.args(&["restore", policy, "--id", &id, "--to", &to, "--yes"]).good();
            for service in ["back", "middle", "front"] {
                let read = |file: &str| std::fs::read(self.world.path(&format!("{to}/{service}/{file}"))).unwrap();
                assert!(read("one") == read("two"), "the two files of {service} differ in {id}");
                assert!(!read("one").is_empty(), "{service} is empty in {id}");
            }
            std::fs::remove_dir_all(self.world.path(&to)).unwrap();
        }
    }

    /// Everything runs, nothing is owed, and nothing is left to be done.
    #[track_caller]
    pub(crate) fn settled(&self) {
        self.all_run();
        let quiet = self.world.files("state/quiet");
        assert_eq!(quiet, Vec::<String>::new(), "journals are left");
        let _ = self.world.run("recover").good().says(&["There is nothing to recover"]);
        let _ = self.world.harmless("plan --detailed-exitcode").good().says(&["No changes."]);
    }

    /// The newest record.
    #[track_caller]
    pub(crate) fn record(&self) -> serde_json::Value {
        let path = self.world.records("backups", "stack").pop().unwrap();
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }
}

/// The stack's compose file.
pub(crate) fn yaml() -> String {
    let service = |(name, more): (&str, &str)| {
        format!(
            "  {name}:\n    image: lucid-test:1\n    command: [sh, -c, {WRITER:?}]\n    stop_grace_period: 20s\n    \
             volumes: [{{type: volume, source: {name}, target: /data}}]\n    \
             healthcheck: {{test: [\"CMD\", \"test\", \"-s\", \"/data/two\"], interval: 1s, retries: 30}}\n    {more}\n"
        )
    };
    let services: String = SERVICES.map(service).concat();
    let volumes: String = SERVICES.map(|(name, _)| format!("  {name}:\n")).concat();
    format!("services:\n{services}volumes:\n{volumes}")
}

/// A manifest for a stack of this project's name.
pub(crate) fn manifest(project: &str) -> String {
    let services = ["back", "middle", "front"].map(|name| format!("[service.compose.{name}]\nproject = \"{project}\"\n"));
    format!(
        "{}{}[source.volume.stack]\nproject = \"{project}\"\nvolumes = [\"back\", \"middle\", \"front\"]\n\
         stop = [\"back\", \"middle\", \"front\"]\n\
         [policy.stack]\nsource = \"stack\"\nretention = \"month\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
        rest(),
        services.concat()
    )
}
