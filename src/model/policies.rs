//! Schedules, retentions and policies: rules, and who follows which.

use std::collections::BTreeMap;

use super::id::{Capture, Name};
use super::read::{Need, Resolver};
use super::schedule::Schedule;
use super::services::CATCH_UP_WITHIN;
use super::set::{Named, Policy, PolicySpans, PolicyState, Retention, Source};
use crate::finding::{Finding, Span, has_errors, manifest as code};
use crate::manifest::tables::{self, NameText, State};
use crate::manifest::{Entity, Noun};

type ByName<T> = BTreeMap<Name, Named<T>>;

impl Resolver<'_> {
    pub(super) fn schedules(&mut self, entities: &[Entity<tables::Schedule>]) -> ByName<Schedule> {
        let mut schedules = BTreeMap::new();
        for entity in entities {
            let Some(table) = &entity.written else { continue };
            match (Schedule::parse(&table.cron.0), entity.name.parse::<Name>()) {
                (Ok(value), Ok(name)) => {
                    schedules.entry(name.clone()).or_insert(Named { name, value, span: entity.head() });
                }
                (Err(error), _) => {
                    let code = if error.never_fires { code::CRON_NEVER_FIRES } else { code::BAD_CRON };
                    let message = if error.never_fires { "this schedule never fires" } else { "this is not a schedule" };
                    let mut finding = Finding::new(code, message).at(entity.value("cron"), error.reason);
                    finding.help = error.help;
                    self.findings.push(finding);
                }
                _ => {}
            }
        }
        schedules
    }

    pub(super) fn retentions(&mut self, entities: &[Entity<tables::Retention>]) -> ByName<Retention> {
        let mut retentions = BTreeMap::new();
        for entity in entities {
            let Some(table) = &entity.written else { continue };
            let value = self.retention(entity, table);
            if let Ok(name) = entity.name.parse::<Name>() {
                retentions.entry(name.clone()).or_insert(Named { name, value, span: entity.head() });
            }
        }
        retentions
    }

    fn retention(&mut self, entity: &Entity<tables::Retention>, table: &tables::Retention) -> Retention {
        let rules = [
            table.keep_last,
            table.keep_hourly,
            table.keep_daily,
            table.keep_weekly,
            table.keep_monthly,
            table.keep_quarterly,
            table.keep_yearly,
        ];
        let mut retention = Retention::FLOORS;
        if entity.whole && table.keep_within.is_none() && rules.iter().all(|rule| rule.unwrap_or(0) == 0) {
            self.findings.push(
                Finding::new(code::EMPTY_RETENTION, format!("`{}` keeps nothing", entity.path))
                    .at(entity.head(), "no rule keeps anything")
                    .help("write a rule such as `keep_within = \"30d\"`, or leave `retention` out of the policy to keep everything"),
            );
        } else {
            let mut count =
                |key, written| self.within(entity, key, written, 1..=1_000_000).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            retention.last = count("keep_last", table.keep_last);
            retention.hourly = count("keep_hourly", table.keep_hourly);
            retention.daily = count("keep_daily", table.keep_daily);
            retention.weekly = count("keep_weekly", table.keep_weekly);
            retention.monthly = count("keep_monthly", table.keep_monthly);
            retention.quarterly = count("keep_quarterly", table.keep_quarterly);
            retention.yearly = count("keep_yearly", table.keep_yearly);
        }
        retention.within = self.period(entity, "keep_within", table.keep_within.as_ref());
        if let Some(n) = self.within(entity, "min_count", table.min_count, 1..=1_000_000) {
            retention.min_count = u32::try_from(n).unwrap_or(retention.min_count);
        }
        retention.min_age = self.period(entity, "min_age", table.min_age.as_ref()).unwrap_or(retention.min_age);
        retention.keep_oldest_until_full = table.keep_oldest_until_full.unwrap_or(false);
        retention
    }

    pub(super) fn policies(
        &mut self,
        entities: &[Entity<tables::Policy>],
        sources: &BTreeMap<Name, Source>,
        schedules: &ByName<Schedule>,
        retentions: &ByName<Retention>,
    ) -> BTreeMap<Name, Policy> {
        let mut policies = BTreeMap::new();
        let mut writers: BTreeMap<String, (&str, Span)> = BTreeMap::new();
        for entity in entities {
            let Some(table) = &entity.written else { continue };
            let before = (self.findings.len(), self.lost);
            let policy = self.policy(entity, table, sources, schedules, retentions);
            let series = table.series.as_ref().map_or(entity.name.as_str(), |series| series.0.as_str());
            let at = entity.value("series");
            match writers.get(series) {
                // one name twice is a finding of its own
                Some((other, _)) if *other == entity.name => {}
                Some((other, first)) => self.findings.push(
                    Finding::new(code::SERIES_SHARED, format!("the policies `{other}` and `{}` write one series, `{series}`", entity.name))
                        .at(at, "the same series")
                        .at(first.clone(), "first written by this policy")
                        .help("set another `series` for one of them"),
                ),
                None => {
                    writers.insert(series.to_owned(), (&entity.name, at));
                }
            }
            let clean = entity.whole && self.lost == before.1 && !has_errors(&self.findings[before.0..]);
            if let Some(policy) = policy.filter(|_| clean) {
                policies.entry(policy.name.clone()).or_insert(policy);
            }
        }
        policies
    }

    fn policy(
        &mut self,
        entity: &Entity<tables::Policy>,
        table: &tables::Policy,
        sources: &BTreeMap<Name, Source>,
        schedules: &ByName<Schedule>,
        retentions: &ByName<Retention>,
    ) -> Option<Policy> {
        let name = entity.name.parse::<Name>().ok();
        let source = self.needs((Noun::Policy, entity), Noun::Source, &table.source, "source", "source");
        let schedule =
            table.schedule.as_ref().and_then(|text| self.needs((Noun::Policy, entity), Noun::Schedule, text, "schedule", "schedule"));
        let retention =
            table.retention.as_ref().and_then(|text| self.needs((Noun::Policy, entity), Noun::Retention, text, "retention", "retention"));
        let stores = self.policy_stores(entity, table);
        let mut retention_at = BTreeMap::new();
        let mut retention_at_spans = BTreeMap::new();
        for (store, text) in table.retention_at.iter().flatten() {
            let place = format!("retention_at.{}", store.0);
            let found = self.needs((Noun::Policy, entity), Noun::Retention, text, "retention_at", &place);
            let store = self.own_store(entity, &table.stores, store, &place);
            if let (Some(store), Some(rule)) = (store, found.and_then(|name| retentions.get(&name))) {
                retention_at_spans.insert(store.clone(), entity.value(&place));
                retention_at.insert(store, rule.clone());
            }
        }
        let mut rpo_at = BTreeMap::new();
        for (store, text) in table.rpo_at.iter().flatten() {
            let place = format!("rpo_at.{}", store.0);
            let period = self.period(entity, &place, Some(text));
            if let (Some(store), Some(period)) = (self.own_store(entity, &table.stores, store, &place), period) {
                rpo_at.insert(store, period);
            }
        }
        let capture = self.capture(entity, table);
        self.refused(entity, table);
        let series = match &table.series {
            None => name.clone(),
            Some(text) => text
                .0
                .parse()
                .map_err(|error| {
                    self.findings.push(Finding::new(code::BAD_NAME, format!("{error}")).at(entity.value("series"), "rename this"));
                })
                .ok(),
        };
        let spans = PolicySpans {
            table: entity.head(),
            source: entity.value("source"),
            schedule: entity.value("schedule"),
            retention: entity.value("retention"),
            retention_at: retention_at_spans,
            stores: (0..table.stores.len()).map(|n| entity.value(&format!("stores[{n}]"))).collect(),
            rpo: entity.value("rpo"),
            series: entity.value("series"),
            state: entity.value("state"),
            catch_up_within: entity.value("catch_up_within"),
            max_downtime: entity.value("max_downtime"),
        };
        let rpo = self.period(entity, "rpo", table.rpo.as_ref());
        let rto = self.period(entity, "rto", table.rto.as_ref());
        let stops = source.as_ref().and_then(|name| sources.get(name)).is_some_and(|source| !source.stop.is_empty());
        let catch_up_within = self.period(entity, "catch_up_within", table.catch_up_within.as_ref()).or(stops.then_some(CATCH_UP_WITHIN));
        let max_downtime = self.period(entity, "max_downtime", table.max_downtime.as_ref());
        // a rule that is declared but could not be read leaves the policy out: without it, it would keep everything or never run
        let schedule = match schedule {
            None => None,
            Some(name) => Some(schedules.get(&name)?.clone()),
        };
        let retention = match retention {
            None => None,
            Some(name) => Some(retentions.get(&name)?.clone()),
        };
        Some(Policy {
            name: name?,
            series: series?,
            source: source?,
            capture: capture?,
            schedule,
            retention,
            retention_at,
            stores,
            recipients: table.recipients.clone().unwrap_or_else(|| self.recipients.clone()),
            rpo,
            rpo_at,
            rto,
            catch_up_within,
            max_downtime,
            strict: table.strict.unwrap_or(false),
            state: match table.state {
                None | Some(State::Active) => PolicyState::Active,
                Some(State::Paused) => PolicyState::Paused,
                Some(State::Retired) => PolicyState::Retired,
            },
            spans,
        })
    }

    /// A reference, noted as a need if it is declared.
    pub(super) fn needs<T>(
        &mut self,
        (from, entity): (Noun, &Entity<T>),
        noun: Noun,
        text: &NameText,
        key: &'static str,
        place: &str,
    ) -> Option<Name> {
        let span = entity.value(place);
        if !self.names.knows(noun, &text.0, &span, &mut self.findings) {
            self.lost += 1;
            return None;
        }
        self.needs.push(Need { from: (from, entity.name.clone()), to: (noun, text.0.clone()), key, span });
        text.0.parse().ok()
    }

    fn policy_stores(&mut self, entity: &Entity<tables::Policy>, table: &tables::Policy) -> Vec<Name> {
        self.not_empty(entity, "stores", table.stores.len());
        let mut stores = Vec::new();
        for (n, text) in table.stores.iter().enumerate() {
            let place = format!("stores[{n}]");
            if let Some(first) = table.stores[..n].iter().position(|other| other == text) {
                self.findings.push(
                    Finding::new(code::DUPLICATE_STORE, format!("`{}.stores` names `{}` twice", entity.path, text.0))
                        .at(entity.value(&place), "named again here")
                        .at(entity.value(&format!("stores[{first}]")), "first named here")
                        .help("remove one of them"),
                );
                continue;
            }
            stores.extend(self.needs((Noun::Policy, entity), Noun::Store, text, "stores", &place));
        }
        stores
    }

    /// The store of a rule for a single store, which has to be one of the policy's.
    fn own_store(&mut self, entity: &Entity<tables::Policy>, stores: &[NameText], store: &NameText, place: &str) -> Option<Name> {
        if stores.contains(store) {
            return store.0.parse().ok();
        }
        let names: Vec<_> = stores.iter().map(|store| store.0.as_str()).collect();
        self.findings.push(
            Finding::new(code::STORE_NOT_IN_POLICY, format!("`{}` does not write to a store `{}`", entity.path, store.0))
                .at(entity.key(place), "this rule would never apply")
                .at(entity.value("stores"), "the policy's stores")
                .help(format!("name one of {}, or add the store to `stores`", names.join(", "))),
        );
        None
    }

    fn capture(&mut self, entity: &Entity<tables::Policy>, table: &tables::Policy) -> Option<Capture> {
        let Some(text) = &table.capture else { return Some(Capture::Full) };
        let offered = text.parse().ok();
        if offered.is_none() {
            self.findings.push(
                Finding::new(code::CAPTURE_NOT_OFFERED, format!("no source here offers the capture `{text}`"))
                    .at(entity.value("capture"), "not offered")
                    .help("write `full`, or leave `capture` out"),
            );
        }
        offered
    }

    /// Keys of the language that this version cannot honour.
    fn refused(&mut self, entity: &Entity<tables::Policy>, table: &tables::Policy) {
        if let Some(base) = &table.base {
            self.needs((Noun::Policy, entity), Noun::Policy, base, "base", "base");
        }
        for (key, written) in [("base", table.base.is_some()), ("pitr_window", table.pitr_window.is_some())] {
            if written {
                self.findings.push(
                    Finding::new(code::ONLY_WITH_LOG, format!("`{}.{key}` is only for a source with a log", entity.path))
                        .at(entity.key(key), "the source has no log")
                        .help(format!("remove `{key}`")),
                );
            }
        }
        self.period(entity, "pitr_window", table.pitr_window.as_ref());
    }
}
