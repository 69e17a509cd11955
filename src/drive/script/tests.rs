use super::*;

fn script(stages: &str) -> Script {
    let head = "name = \"x\"\nseed = 3\n[channels]\ncount = 3\n[viewers]\nmoderators = 1\n";
    let scenario = Arc::new(Scenario::read(&format!("{head}{stages}")).unwrap());
    let crowd = Arc::new(Crowd::draw(&scenario, "run"));
    Script::new(scenario, crowd)
}

const FILL: &str = "[[stages]]\nfor = \"1s\"\nviewers = 600\nrate = 0\n";

fn count(steps: &[Step], is: impl Fn(&Step) -> bool) -> usize {
    steps.iter().filter(|step| is(step)).count()
}

#[test]
fn the_same_seed_is_the_same_script() {
    let text = format!("{FILL}[[stages]]\nshape = \"goal\"\nfor = \"20s\"\nrate = 5\nchurn = 1\nacts = 2\n");
    let (one, two): (Vec<Step>, Vec<Step>) = (script(&text).collect(), script(&text).collect());
    assert_eq!(one, two);
    assert!(one.is_sorted_by_key(|step| step.at) && one.len() > 700);
}

#[test]
fn lines_come_at_the_rate_that_was_asked_for() {
    let steps: Vec<Step> =
        script(&format!("{FILL}[[stages]]\nfor = \"100s\"\nrate = 50\n[lines]\ndonations = 0\n")).collect();
    let said = count(&steps, |step| matches!(step.what, What::Say { .. }));
    assert!((4_700..5_300).contains(&said), "{said}");
    let even =
        script(&format!("{FILL}[[stages]]\nfor = \"10s\"\nrate = 50\n[lines]\narrivals = \"even\"\ndonations = 0\n"));
    assert!((498..=500).contains(&count(&even.collect::<Vec<_>>(), |step| matches!(step.what, What::Say { .. }))));
}

#[test]
fn an_even_ramp_has_as_many_lines_as_its_rate_comes_to() {
    let text = format!(
        "{FILL}[[stages]]\nfor = \"20s\"\nrate = 100\nramp = true\n[lines]\narrivals = \"even\"\ndonations = 0\n"
    );
    let said = count(&script(&text).collect::<Vec<_>>(), |step| matches!(step.what, What::Say { .. }));
    assert!((940..=1_005).contains(&said), "{said}");
}

#[test]
fn a_ramp_climbs_and_a_goal_ebbs() {
    let said = |text: &str| -> Vec<u64> {
        let steps = script(&format!("{FILL}{text}")).filter(|step| matches!(step.what, What::Say { .. }));
        steps.map(|step| step.at / 1_000_000).collect()
    };
    let ramp = said("[[stages]]\nfor = \"20s\"\nrate = 100\nramp = true\n");
    let (early, late) = (ramp.iter().filter(|at| **at < 6).count(), ramp.iter().filter(|at| **at >= 16).count());
    assert!(late > early * 4, "{early} {late}");
    let goal = said("[[stages]]\nshape = \"goal\"\nfor = \"20s\"\nrate = 1\npeak = 100\n");
    let (loud, quiet) = (goal.iter().filter(|at| **at < 6).count(), goal.iter().filter(|at| **at >= 16).count());
    assert!(loud > quiet * 4, "{loud} {quiet}");
}

#[test]
fn only_those_who_are_in_and_may_say_anything() {
    let mut script =
        script(&format!("{FILL}[[stages]]\nshape = \"churn\"\nfor = \"30s\"\nrate = 30\nchurn = 5\nacts = 3\n"));
    let crowd = script.crowd.clone();
    let mut inside = std::collections::HashSet::new();
    let mut spoken = 0;
    for step in script.by_ref() {
        match step.what {
            What::Join { channel } => assert!(inside.insert(step.who) && channel == crowd.person(step.who).channel),
            What::Leave | What::Cut => assert!(inside.remove(&step.who)),
            What::Say { .. } | What::Donate { .. } => {
                assert!(inside.contains(&step.who) && crowd.person(step.who).role == Role::Sender);
                spoken += 1;
            }
            What::Act(_) => assert_eq!(crowd.person(step.who).role, Role::Moderator),
            What::Read(_) => {}
        }
    }
    assert!(spoken > 800, "{spoken}");
    assert_eq!(inside.len(), 600, "as many as at its beginning");
}

#[test]
fn a_storm_cuts_and_brings_back() {
    let steps: Vec<Step> =
        script(&format!("{FILL}[[stages]]\nshape = \"reconnect-storm\"\nfor = \"10s\"\nwithin = \"2s\"\n")).collect();
    assert_eq!(count(&steps, |step| step.what == What::Cut), 300);
    let joins: Vec<u64> = steps.iter().filter(|s| matches!(s.what, What::Join { .. })).map(|s| s.at).collect();
    assert_eq!(joins.len(), 900);
    assert!(joins[600..].iter().all(|at| (1_000_000..3_100_000).contains(at)));
}

#[test]
fn a_raid_moves_readers_to_the_largest_channel() {
    // Its raiders take five seconds: in a shorter stage they hurry.
    for seconds in [10, 2] {
        let stages = format!("{FILL}[[stages]]\nshape = \"raid\"\nfor = \"{seconds}s\"\n");
        let steps: Vec<Step> = script(&stages).collect();
        let moved = count(&steps, |step| step.at > 1_000_000 && step.what == What::Join { channel: 0 });
        assert!((100..=220).contains(&moved), "{moved}");
        assert_eq!(moved, count(&steps, |step| step.what == What::Leave));
    }
}

#[test]
fn slow_readers_are_woken_when_their_stage_ends() {
    let steps: Vec<Step> =
        script(&format!("{FILL}[[stages]]\nshape = \"slow-readers\"\nfor = \"5s\"\n[[stages]]\nfor = \"1s\"\n"))
            .collect();
    assert_eq!(count(&steps, |step| step.what == What::Read(Pace::Stuck)), 6);
    assert_eq!(count(&steps, |step| step.what == What::Read(Pace::Slow(1_024))), 60);
    assert_eq!(count(&steps, |step| step.at == 6_000_000 && step.what == What::Read(Pace::Full)), 66);
}

#[test]
fn a_wave_comes_in_its_middle_and_some_go_when_fewer_are_asked_for() {
    let steps: Vec<Step> = script(
        "[[stages]]\nshape = \"join-wave\"\nfor = \"10s\"\nviewers = 600\n[[stages]]\nfor = \"1s\"\nviewers = 500\n",
    )
    .collect();
    let middle = count(&steps, |step| (3_000_000..7_000_000).contains(&step.at));
    assert!(middle > 450, "{middle}");
    assert_eq!(count(&steps, |step| step.what == What::Leave), 100);
}
