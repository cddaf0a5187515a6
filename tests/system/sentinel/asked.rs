//! Fail-overs that an operator asks for.

use super::{measure::Measure, setup::Scene, soak};

#[test]
fn fail_overs_in_a_loop_lose_nothing_and_count_nothing_twice() {
    let scene = Scene::begin();
    for _ in 0..soak(5, 50) {
        // The earlier primary goes on as a primary until the sentinels make it a replica. If they are asked again before, they
        // disagree, and for seconds there is no primary.
        scene.set.wait_until_whole();
        let measure = Measure::begin(&scene, "asked");
        let next = scene.set.failover();
        scene.reaches(next, "views are in the next primary");
        measure.end(&scene);
    }
    scene.end();
}
