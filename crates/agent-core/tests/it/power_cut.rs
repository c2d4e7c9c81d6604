//! The power goes at every single flash operation of an update, and the device always starts a complete image and ends
//! on the old one or the new one.

use argosy_agent_core::Outcome;
use proptest::prelude::*;

use crate::chip::{TORN, Torn};
use crate::device::{Behaviour, Fault, World, image_of};

fn operations(behaviour: Behaviour, faults: &[Fault]) -> u64 {
    let mut world = World::new(behaviour, faults.to_vec());
    world.live();
    world.chip.0.borrow().operations
}

fn expected(world: &World, behaviour: Behaviour) -> argosy_agent_core::Image {
    image_of(if behaviour == Behaviour::Good { &world.offered } else { &world.old })
}

fn sweep(behaviour: Behaviour, faults: &[Fault]) {
    let total = operations(behaviour, faults);
    assert!(total > 10, "{behaviour:?}: only {total} flash operations");
    for cut in 0..total {
        for torn in TORN {
            let mut world = World::new(behaviour, faults.to_vec());
            world.chip.cut_after(cut, torn);
            let end = world.live();
            assert_eq!(end, expected(&world, behaviour), "{behaviour:?}, cut at operation {cut}, {torn:?}");
        }
    }
}

#[test]
fn a_good_image_ends_confirmed_whenever_the_power_goes() {
    sweep(Behaviour::Good, &[]);
}

#[test]
fn an_image_that_crashes_is_rolled_back_whenever_the_power_goes() {
    sweep(Behaviour::Crashes, &[]);
}

#[test]
fn an_image_that_hangs_is_rolled_back_whenever_the_power_goes() {
    sweep(Behaviour::Hangs, &[]);
}

#[test]
fn an_image_that_fails_its_self_test_is_rolled_back_whenever_the_power_goes() {
    sweep(Behaviour::Ill, &[]);
}

#[test]
fn a_broken_link_a_wrong_byte_and_a_power_cut_together_do_no_harm() {
    sweep(Behaviour::Good, &[Fault::None, Fault::LinkLost, Fault::None, Fault::Corrupt, Fault::Again]);
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        6 => Just(Fault::None),
        2 => Just(Fault::LinkLost),
        1 => Just(Fault::Corrupt),
        1 => Just(Fault::Again),
        1 => Just(Fault::PowerCut),
        1 => Just(Fault::Flap),
    ];
    proptest::collection::vec(fault, 0..40)
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![Just(Behaviour::Good), Just(Behaviour::Crashes), Just(Behaviour::Hangs), Just(Behaviour::Ill)]
}

proptest! {
    /// `World::live` itself checks every boot; here also the end.
    #[test]
    fn random_days_end_on_the_old_or_the_new_image(
        behaviour in behaviour(),
        faults in faults(),
        cuts in proptest::collection::vec((0_u64..80, 0_usize..4), 0..4),
    ) {
        let mut world = World::new(behaviour, faults);
        let mut end = None;
        for (after, torn) in cuts {
            world.chip.cut_after(after, TORN[torn]);
            end = Some(world.live());
        }
        let end = end.unwrap_or_else(|| world.live());
        let (old, new) = (image_of(&world.old), image_of(&world.offered));
        prop_assert!(end == old || end == new);
        if behaviour != Behaviour::Good {
            prop_assert_eq!(end, old, "an image that never proved itself stayed");
        }
        // What was reported as rolled back is not what runs.
        if world.outcomes().last() == Some(&Outcome::RolledBack) {
            prop_assert_eq!(end, old);
        }
    }
}

#[test]
fn a_start_of_the_new_image_that_is_lost_to_the_power_is_forgiven() {
    let mut world = World::new(Behaviour::Good, vec![]);
    let last = operations(Behaviour::Good, &[]) - 1;
    world.chip.cut_after(last, Torn::Nothing);
    let end = world.live();
    assert_eq!(end, image_of(&world.offered));
    assert_eq!(world.boots, 3, "the old image, the start that was lost, the start that was confirmed");
}
