//! Sentinels and servers with logins of their own.

use super::{LOGGING, sentinel_set::SentinelSet, setup::Scene};

/// The sentinels' own login to each other and to the servers, and a user that only asks.
const CONFIG: &str = "requirepass sentinels
sentinel sentinel-pass sentinels
sentinel auth-pass truycap servers
user watcher on >watches resetchannels +ping +client|setname +sentinel|master +sentinel|masters +sentinel|get-master-addr-by-name
";

#[test]
fn sentinels_and_servers_have_logins_of_their_own() {
    let options = [&LOGGING[..], &["--requirepass", "servers", "--masterauth", "servers"]].concat();
    let mut set = SentinelSet::start_with(&options, "?pass=servers", CONFIG, "?pass=sentinels");
    set.login = (":servers@".into(), "?sentinel_user=watcher&sentinel_password=watches".into());
    let mut scene = Scene::on(set);
    scene.set.servers[0].server.crash();
    let second = scene.set.wait_for_another(0);
    scene.reaches(second, "views are in the next primary");
    scene.set.servers[0].server.restart();
    scene.end();
}
