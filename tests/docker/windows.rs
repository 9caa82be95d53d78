//! Services are quiet while their volumes are read, and as they were afterwards.

use crate::support::Stack;

#[test]
fn a_stack_is_captured_while_it_is_quiet_and_nothing_else_is_touched() {
    let stack = Stack::new();
    let before = stack.starts();
    let plan = stack.world.harmless("plan").good();
    // Dependents first, whatever order the manifest names them in; and the other way round.
    let order = ["stop service.front", "stop service.middle", "stop service.back", "capture policy.stack"];
    let back = ["start service.back", "start service.middle", "start service.front"];
    let _ = plan.says_in_order(&[&order[..], &back[..]].concat());
    let _ = stack.world.run("apply --yes").good().says(&["done: stop:service.front", "done: start:service.front"]);
    let after = stack.starts();
    for n in 0..3 {
        assert_ne!(before[n], after[n], "service {n} was not stopped");
    }
    assert_eq!(before[3], after[3], "`aside` was touched");
    stack.restores();
    stack.settled();
    let record = stack.record();
    assert_eq!(record["consistency"], "clean");
    assert_eq!(record["services"].as_array().unwrap().len(), 3);
    assert!(record["services"].as_array().unwrap().iter().all(|s| s["state"] == "stopped"), "{record}");
}

#[test]
fn a_stack_of_the_old_compose_is_captured_too() {
    let stack = Stack::v1();
    let before = stack.starts();
    let _ = stack.world.run("apply --yes").good();
    assert_eq!(before[3], stack.starts()[3], "`aside` was touched");
    stack.restores();
    stack.settled();
}
