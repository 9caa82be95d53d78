//! What is left of a window when a part of it could not be woken.

use chrono::TimeDelta;

use super::stores::run;
use super::world::{Luck, World, set};
use crate::store::faults::Fault;

const TEXT: &str = "version = 1\nname = \"lucid\"\ntimezone = \"Etc/UTC\"\n[store.directory.local]\npath = \"/stores/local\"\n\
    [store.directory.offsite]\npath = \"/stores/offsite\"\n[schedule]\nhourly = { cron = \"0 * * * *\" }\n\
    [service.container.web]\n[service.command.flag]\ndepends_on = [\"web\"]\nquiesce = [\"quiesce\"]\nresume = [\"resume\"]\n\
    [source.files.tree]\npaths = [\"/srv/tree\"]\nstop = [\"web\", \"flag\"]\n[policy.trees]\nsource = \"tree\"\n\
    schedule = \"hourly\"\nstores = [\"local\"]\n";

#[test]
fn a_command_of_this_host_that_is_left_over_is_resumed_without_the_engine() {
    let mut met = 0;
    for number in 1..60 {
        let mut world = World::new(7, set(TEXT));
        world.advance(TimeDelta::minutes(31));
        run(&mut world, Luck::Stumbles(number, Fault::Error));
        let owed = world.facts(true).owed;
        if !owed.iter().any(|owed| owed.services == ["service.flag"]) {
            continue;
        }
        met += 1;
        world.yard.answer(0);
        let facts = world.facts(true);
        let plan = world.plan(&facts, world.now());
        assert!(plan.steps.iter().any(|step| step.work.kind() == "recover"), "{:?}", plan.steps);
        let (awoken, notes) = world.recover(Luck::Good);
        assert!(awoken.iter().all(|window| window.stuck.is_empty()) && notes.broken.is_empty(), "{awoken:?}");
        let facts = world.facts(true);
        assert!(facts.owed.is_empty() && world.plan(&facts, world.now()).steps.iter().all(|step| step.work.kind() != "recover"));
    }
    assert!(met > 0, "no fault met the command");
}
