//! The first hour: two bare machines and a package.

use std::time::{Duration, Instant};

use machine::Machine;
use netns::Lab;
use packages::{bare, debian_package};
use support::World;

/// The longest time until a first object has come from the other machine.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn two_commands_a_machine_and_a_first_object_comes_from_the_other() {
    let lab = Lab::new(&["helper", "desk"]);
    let world = World::new();
    std::fs::copy(debian_package(), world.path().join("distcc-rs.deb")).unwrap();
    let start = |name| Machine::start(world.path(), &bare(), &lab.host(name).launcher());
    let (helper, desk) = (start("helper"), start("desk"));
    assert_ne!(desk.run("distcc --version").code, 0);

    let begin = Instant::now();
    helper.must("apt-get install --quiet --yes /test/distcc-rs.deb");
    helper.must("systemctl enable --now distccd");
    desk.must("apt-get install --quiet --yes /test/distcc-rs.deb");
    let second = "export DISTCC_HOSTS=helper PATH=/usr/lib/distcc:$PATH";
    // Green: it has compiled with each compiler there, and compared what came back.
    let green = desk.must(&format!("{second}; distcc --doctor"));
    desk.must(&format!(
        "{second}; cd /tmp && echo 'int main(void) {{ return 42; }}' > a.c && \
         DISTCC_FALLBACK=0 gcc -g -c a.c -o a.o"
    ));
    let took = begin.elapsed();

    assert!(!green.contains("failed"), "{green}");
    // It is the object that the compiler of the desk makes, and the helper has made it.
    desk.must("cd /tmp && gcc -g -c a.c -o here.o && cmp a.o here.o");
    desk.must("cd /tmp && gcc a.o -o a; ./a; test $? = 42");
    assert!(helper.journal().contains("COMPILE_OK"), "{}", helper.journal());
    let report = desk.must("distcc --report");
    assert!(report.contains("helper"), "{report}");
    assert!(took < LIMIT, "{took:?}");
}
