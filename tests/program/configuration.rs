//! The configuration: everything that is wrong is told at once, with its place; what is found right can be started with.

use std::net::TcpListener;
use std::path::Path;

use tempfile::TempDir;

use crate::broker::{Broker, add_user, heddle, run, text};

/// Runs `config check` on a text in a folder; gives whether it is right, and what was said.
fn check_in(folder: &Path, config: &str) -> (bool, String) {
    std::fs::write(folder.join("heddle.toml"), config).expect("a file");
    let mut command = heddle();
    let output = command.args(["config", "check", "--config", "heddle.toml"]).current_dir(folder).output();
    let output = output.expect("the program runs");
    (output.status.success(), text(&output))
}

/// Runs the node with a text in a folder, which must not start.
fn refuse_in(folder: &Path, config: &str) -> String {
    std::fs::write(folder.join("heddle.toml"), config).expect("a file");
    let mut command = heddle();
    let output = command.args(["run", "--config", "heddle.toml"]).current_dir(folder).output();
    let output = output.expect("the program runs");
    assert!(!output.status.success(), "{config} is wrong");
    text(&output)
}

/// Two pairs of certificate and key, and what is none.
fn files(folder: &Path) {
    for name in ["one", "two"] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).expect("a file");
        std::fs::write(folder.join(format!("{name}-key.pem")), made.signing_key.serialize_pem()).expect("a file");
    }
    std::fs::write(folder.join("empty"), "").expect("a file");
    std::fs::write(folder.join("text"), "words\n").expect("a file");
    std::fs::write(folder.join("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA").expect("a file");
    std::fs::write(folder.join("locked.pem"), "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n").expect("a file");
    std::fs::write(folder.join("users-cut"), "# users\nguest:$argon2id$v=19$m=19456,t=2,p=1$c29t\n").expect("a file");
    std::fs::write(folder.join("token-short"), "short\n").expect("a file");
    std::fs::create_dir(folder.join("folder")).expect("a folder");
}

/// Wrong files, and what is said of them: each of these on a line of its own.
const WRONG: &[(&str, &[&[&str]])] = &[
    // Syntax, and what the parser finds behind it.
    (
        "[node]\ncores = \n[log]\nlevel = \"loud\"\n",
        &[&["heddle.toml:2:", "no TOML"], &["heddle.toml:4:9", "log.level is \"loud\"", "no level", "info"]],
    ),
    ("[node]\ncores = \"0\"\ncores = \"0\"\n", &[&["heddle.toml:3:", "duplicate key"]]),
    // Unknown names.
    ("[node]\ncorse = \"0\"\n", &[&["heddle.toml:2:1", "node.corse", "did you mean node.cores?"]]),
    ("[listener]\naddress = \"x\"\n", &[&["heddle.toml:1:2", "did you mean [[listeners]]?"]]),
    ("cores = \"0\"\n", &[&["heddle.toml:1:1", "belongs below [node]"]]),
    ("[http]\nsegment_mib = 2\n", &[&["heddle.toml:2:1", "did you mean storage.segment_mib?"]]),
    ("[wonderland]\n", &[&["heddle.toml:1:2", "there are node, listeners"]]),
    ("[log]\nzzz = 1\n", &[&["heddle.toml:2:1", "there are level, format"]]),
    ("[[node]]\n", &[&["write [node]"]]),
    ("[listeners]\n", &[&["write [[listeners]]"]]),
    // Types and bounds, many at once.
    (
        "[node]\ncores = 0\nshards = 0\nspin_us = -1\nmove_connections = \"yes\"\n[[listeners]]\naddress = 5672\n\
         transport = \"udp\"\nmechanisms = [\"ANONYMOUS\", \"CRAM\"]\nmax_frame_size = 100\nhandle_max = 65536\nchannel_max = 1.5\n\
         idle_timeout_ms = 1\n[storage]\nsegment_mib = 99999999999999999999\nwhen_full = \"HOLD\"\n",
        &[
            &["heddle.toml:2:9", "node.cores is 0", "a whole number", "\"all\""],
            &["heddle.toml:3:10", "node.shards is 0", "1 to 256"],
            &["heddle.toml:4:11", "node.spin_us is -1", "0 to 1,000,000 µs"],
            &["heddle.toml:5:20", "\"yes\"", "true or false"],
            &["heddle.toml:7:11", "listeners.address is 5672", "text in quotation marks", "localhost:5672"],
            &["heddle.toml:8:13", "\"udp\"", "\"tcp\", \"tls\", \"ws\", \"wss\""],
            &["heddle.toml:9:14", "\"CRAM\"", "\"PLAIN\""],
            &["heddle.toml:10:18", "is 100", "512 to 16,777,216 bytes"],
            &["heddle.toml:11:14", "is 65536", "0 to 65,535"],
            &["heddle.toml:12:15", "is 1.5", "a number with a fraction", "0 to 65,535"],
            &["heddle.toml:13:19", "idle_timeout_ms is 1", "0 for never, or at least 200 ms"],
            &["heddle.toml:15:15", "99999999999999999999", "2 to 1,024 MiB"],
            &["heddle.toml:16:13", "\"HOLD\"", "\"hold\", \"refuse\""],
        ],
    ),
    // The machine.
    ("[node]\ncores = \"1023\"\n", &[&["heddle.toml:2:9", "core 1023", "this process may use: "]]),
    ("[node]\ncores = \"0-99999999999\"\n", &[&["heddle.toml:2:9", "no core above 1023"]]),
    ("[node]\ncores = \"0,0\"\n", &[&["heddle.toml:2:9", "twice", "node.shards"]]),
    ("[limits]\nmemory_mib = 1000000000\n", &[&["heddle.toml:2:14", "1,000,000,000 MiB", "this machine has"]]),
    ("[limits]\nconnections = 0\n", &[&["heddle.toml:2:15", "1 to 16,777,216"]]),
    ("[node]\ndata_dir = \"text\"\n", &[&["heddle.toml:2:12", "text is a file", "a directory is needed"]]),
    ("[node]\ndata_dir = \"text/a/b\"\n", &[&["heddle.toml:2:12", "/text, which is a file"]]),
    ("[log]\nlevel = \"inof\"\n", &[&["heddle.toml:2:9", "did you mean info?"]]),
    ("[log]\nlevel = \"info,heddle::nte=debug\"\n", &[&["heddle.toml:2:9", "heddle::net"]]),
    ("[node]\ncontainer_id = \"\"\n", &[&["heddle.toml:2:16", "1 to 255 printable characters"]]),
    // Files.
    (
        "[[listeners]]\naddress = \"127.0.0.1:0\"\ntransport = \"tls\"\ncertificate = \"none.pem\"\nkey = \"folder\"\n",
        &[&["heddle.toml:4:15", "none.pem does not exist", "looked for in"], &["heddle.toml:5:7", "is a directory"]],
    ),
    (
        "[[listeners]]\ntransport = \"tls\"\ncertificate = \"one-key.pem\"\nkey = \"one.pem\"\n",
        &[&["heddle.toml:3:15", "swapped"], &["heddle.toml:4:7", "swapped"]],
    ),
    (
        "[[listeners]]\ncertificate = \"one.pem\"\nkey = \"two-key.pem\"\n",
        &[&["heddle.toml:3:7", "cannot be used together", "one.pem and two-key.pem"]],
    ),
    (
        "[[listeners]]\ncertificate = \"broken.pem\"\nkey = \"locked.pem\"\n",
        &[&["heddle.toml:3:7", "encrypted", "openssl pkey"]],
    ),
    ("[[listeners]]\ncertificate = \"broken.pem\"\nkey = \"one-key.pem\"\n", &[&["heddle.toml:3:7", "broken.pem"]]),
    (
        "[[listeners]]\ncertificate = \"empty\"\nkey = \"text\"\n",
        &[&["heddle.toml:2:15", "is empty"], &["heddle.toml:3:7", "PRIVATE KEY", "PEM"]],
    ),
    ("[[listeners]]\ncertificate = \"one.pem\"\n", &[&["heddle.toml:2:15", "they go together"]]),
    ("[[listeners]]\ntransport = \"wss\"\n", &[&["heddle.toml:2:13", "needs a certificate and a key"]]),
    (
        "[[listeners]]\ntransport = \"ws\"\ncertificate = \"one.pem\"\nkey = \"one-key.pem\"\n",
        &[&["heddle.toml:3:15", "choose wss"]],
    ),
    ("[users]\nfile = \"none\"\n", &[&["heddle.toml:2:8", "none does not exist"]]),
    (
        "[users]\nfile = \"users-cut\"\n",
        &[&["heddle.toml:2:8", "users-cut:2: user guest: the hash is cut off", "heddle user add"]],
    ),
    ("[[listeners]]\nmechanisms = [\"PLAIN\"]\n", &[&["heddle.toml:2:14", "users.file", "heddle user add"]]),
    ("[[listeners]]\nmechanisms = []\n", &[&["heddle.toml:2:14", "no mechanisms", "sasl = \"none\""]]),
    ("[http]\ntoken_file = \"none\"\n", &[&["heddle.toml:2:14", "none does not exist"]]),
    (
        "[http]\ntoken_file = \"token-short\"\n",
        &[&["heddle.toml:2:14", "token-short:1: this is no token", "openssl rand"]],
    ),
    ("[http]\nclient_ca = \"one.pem\"\n", &[&["heddle.toml:2:13", "http.certificate"]]),
    // Addresses.
    (
        "[[listeners]]\naddress = \"0.0.0.0:45672\"\n[[listeners]]\naddress = \"127.0.0.1:45672\"\n\
         [[listeners]]\naddress = \"127.0.0.1:45672\"\n",
        &[
            &["heddle.toml:4:11", "listener 0.0.0.0:45672 has 0.0.0.0:45672, which includes it", "choose another port"],
            &["heddle.toml:6:11", "listener 127.0.0.1:45672"],
        ],
    ),
    ("[[listeners]]\naddress = \"[::]:8161\"\n", &[&["HTTP listener", "[::]:8161, which includes it"]]),
    (
        "[[listeners]]\naddress = \"localhost:45672\"\n[http]\naddress = \"127.0.0.1:45672\"\n",
        &[&["heddle.toml:4:11", "the same address"]],
    ),
    ("[[listeners]]\naddress = \"localhost\"\n", &[&["heddle.toml:2:11", "port is missing, as in localhost:5672"]]),
    (
        "[[listeners]]\naddress = \"no-such-host.invalid:5672\"\n",
        &[&["heddle.toml:2:11", "cannot be resolved", "/etc/hosts"]],
    ),
    (
        "[http]\naddress = \"0.0.0.0:8161\"\n",
        &[&["heddle.toml:2:11", "not a loopback address", "http.allow_remote = true"]],
    ),
    (
        "[node]\nanycast_prefix = \"q/\"\nmulticast_prefix = \"q/t/\"\n",
        &[&["heddle.toml:3:20", "\"q/\"", "would never ask for multicast"]],
    ),
    // Addresses and queues of messages.
    (
        "[address]\nauto_create_except = [\"a*\"]\nmax_mib = 7\nanycast_prefix = \"q/\"\n",
        &[
            &["heddle.toml:1:2", "write [[address]]"],
            &["heddle.toml:2:1", "match and auto_create = false"],
            &["heddle.toml:4:1", "write node.anycast_prefix"],
        ],
    ),
    (
        "[[address]]\nmatch = \"orders*\"\n[[address]]\nmatch = \"a.#.#\"\n[[address]]\nmatch = \"\"\n",
        &[
            &["heddle.toml:2:9", "address.match is \"orders*\"", "whole word", "orders.#"],
            &["heddle.toml:4:9", "write one of them"],
            &["heddle.toml:6:9", "1 to 2048"],
        ],
    ),
    (
        "[[address]]\nmatch = \"#\"\nrouting = \"any\"\nwhen_full = \"HOLD\"\nproducer_window = 0\nmax_message = 1\n",
        &[
            &["heddle.toml:3:11", "\"anycast\", \"multicast\""],
            &["heddle.toml:4:13", "\"hold\", \"refuse\""],
            &["heddle.toml:5:19", "1 to 65,535"],
            &["heddle.toml:6:1", "did you mean address.max_messages?"],
        ],
    ),
    (
        "[[address]]\nmax_mib = 1\n[[address]]\nname = \"a\"\nmatch = \"a\"\n[[queue]]\naddress = \"a\"\n",
        &[
            &["heddle.toml:1:1", "neither a name nor a match"],
            &["heddle.toml:5:9", "a name and a match"],
            &["heddle.toml:6:1", "[[queue]]: a name has 1 to"],
        ],
    ),
    // What this system does not give.
    (
        "[[listeners]]\naddress = \"127.0.0.1:0\"\ncongestion_control = \"no-such\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\n\
         congestion_control = \"a name\"\n[[connectors]]\nname = \"a\"\nendpoints = [\"127.0.0.1:1\"]\n\
         congestion_control = \"no-such\"\n",
        &[
            &["heddle.toml:3:22", "\"no-such\", which the system does not give", "reno"],
            &["heddle.toml:6:22", "congestion_control is \"a name\"", "\"auto\", \"system\""],
            &["heddle.toml:10:22", "connector a", "\"no-such\", which the system does not give"],
        ],
    ),
    (
        "[[address]]\nname = \"a\"\n[[address]]\nname = \"a\"\n[[address]]\nmatch = \"a\"\n[[queue]]\nname = \"b::c\"\n\
         [[address]]\nname = \"$dynamic-1\"\n",
        &[
            &["heddle.toml:4:8", "\"a\" stands there twice"],
            &["heddle.toml:8:8", "stands between"],
            &["heddle.toml:10:8", "the node's own"],
        ],
    ),
];

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let folder = TempDir::new().expect("a folder");
    files(folder.path());
    for (config, wanted) in WRONG {
        let (right, said) = check_in(folder.path(), config);
        assert!(!right, "{config} is wrong");
        for words in *wanted {
            let told = said.lines().any(|line| words.iter().all(|word| line.contains(word)));
            assert!(told, "of\n{config}\n{words:?} is to be told in a line, and not\n{said}");
        }
        let errors = said.lines().filter(|line| line.starts_with("  ")).count();
        assert!(wanted.len() <= errors && errors <= wanted.len() + 1, "no more is wrong with\n{config}\n{said}");
        assert!(said.lines().next().unwrap_or_default().starts_with("heddle: the configuration has "), "{said}");
        assert!(!folder.path().join("heddle-data").exists(), "nothing is made");
    }
}

#[test]
fn a_start_refuses_what_a_check_refuses() {
    let folder = TempDir::new().expect("a folder");
    files(folder.path());
    for (config, wanted) in WRONG.iter().step_by(5) {
        let said = refuse_in(folder.path(), config);
        let told = said.lines().any(|line| wanted[0].iter().all(|word| line.contains(word)));
        assert!(told && !folder.path().join("heddle-data").exists(), "{config}: {said}");
    }
}

#[test]
fn files_that_are_none_are_refused_within_bounds() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("heddle.toml");
    let check = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("a file");
        let output = run(&["config", "check", "--config", path.to_str().expect("a path")]);
        assert!(!output.status.success());
        text(&output)
    };
    assert!(check(b"[node]\n# \xff\n").contains("heddle.toml:2:1: this is not UTF-8"));
    assert!(check(&vec![b'\n'; (1 << 20) + 1]).contains("larger than 1,048,576 bytes"));
    // One error on each line, of which some are told; the time is that of reading.
    let said = check("a b\n".repeat(200_000).as_bytes());
    assert!(said.lines().count() < 60 && said.contains("… and "), "{}", said.lines().count());
    let said = check("x = 1\n[node]\n".repeat(10).as_bytes());
    assert!(said.contains("heddle.toml:1:1"), "{said}");
    let said = check(format!("[node]\n{}", "key_{} = 1\n".repeat(3)).replace("{}", "\u{1b}").as_bytes());
    assert!(!said.contains('\u{1b}'), "{said}");
    for missing in ["/nowhere/heddle.toml", "/proc/self", "/dev/zero"] {
        for command in [&["run", "--config", missing][..], &["config", "check", "--config", missing]] {
            let output = run(command);
            assert!(!output.status.success() && text(&output).contains(missing), "{}", text(&output));
        }
    }
}

#[test]
fn options_are_checked_like_the_file() {
    for (options, said) in [
        (&["--cores", "9x"][..], &["--cores: node.cores is \"9x\"", "\"all\""][..]),
        (&["--cores", "1023"], &["--cores", "core 1023"]),
        (&["--shards", "0"], &["--shards: node.shards is 0", "1 to 256"]),
        (&["--log", "loud"], &["--log: log.level is \"loud\""]),
        (&["--http", "0.0.0.0:8161"], &["--http", "http.allow_remote = true"]),
        (&["--listen", "127.0.0.1:45673", "--listen", "localhost:45673"], &["--listen", "127.0.0.1:45673"]),
        (&["--listen", "localhost"], &["port is missing"]),
        (&["--data-dir", "/dev/null"], &["--data-dir", "/dev/null is a file"]),
    ] {
        for command in [&["run"][..], &["config", "check"]] {
            let output = run(&[command, options].concat());
            let told = text(&output);
            assert!(!output.status.success() && said.iter().all(|word| told.contains(word)), "{options:?}: {told}");
        }
    }
}

#[test]
fn a_taken_port_is_a_warning_and_an_address_of_others_an_error() {
    let folder = TempDir::new().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let http = "[http]\naddress = \"127.0.0.1:0\"\n";
    let (right, said) = check_in(folder.path(), &format!("{http}[[listeners]]\naddress = \"{address}\"\n"));
    assert!(right && said.contains("warning: ") && said.contains(&address.to_string()), "{said}");
    assert!(said.contains("nothing is wrong"), "{said}");
    let (right, said) = check_in(folder.path(), &format!("{http}[[listeners]]\naddress = \"192.0.2.1:5672\"\n"));
    assert!(!right && said.contains("heddle.toml:4:11") && said.contains("no interface of this machine"), "{said}");
}

#[test]
fn what_a_check_passes_can_be_started_with() {
    let folder = TempDir::new().expect("a folder");
    files(folder.path());
    add_user(&folder.path().join("users"), "guest", "secret\n");
    std::fs::write(folder.path().join("token"), "0123456789abcdef\n").expect("a file");
    let file = |name: &str| folder.path().join(name);
    let listeners = format!(
        "token_file = {:?}\n[users]\nfile = {:?}\n[[listeners]]\naddress = \"localhost:0\"\ncongestion_control = \"reno\"\nmechanisms = [\"PLAIN\"]\ncertificate = {:?}\nkey = {:?}\n",
        file("token"),
        file("users"),
        file("one.pem"),
        file("one-key.pem"),
    );
    // `http` is the last table of what a broker of a test begins with but for `log`.
    let config = format!("[http]\naddress = \"localhost:0\"\n{listeners}");
    let (right, said) = check_in(folder.path(), &config);
    assert!(right && !folder.path().join("heddle-data").exists(), "{said}");
    let ready = folder.path().join("ready.json");
    let mut process = heddle()
        .args(["run", "--config", "heddle.toml", "--shards", "1", "--ready-file", "ready.json"])
        .current_dir(folder.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let value = crate::broker::wait_for("the ready file", || {
        assert!(process.try_wait().expect("its state").is_none(), "it ended");
        serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(&ready).ok()?).ok()
    });
    let listeners = value["listeners"].as_array().expect("listeners").clone();
    for listener in &listeners {
        let address = listener["address"].as_str().expect("an address");
        std::net::TcpStream::connect(address).expect("every address of localhost is bound");
    }
    let status = run(&["status", "--http", value["http"].as_str().expect("HTTP")]);
    process.kill().expect("it is ours");
    process.wait().expect("its end");
    assert!(!status.status.success() && text(&status).contains("--token-file"), "{}", text(&status));
    assert!(!listeners.is_empty());
}

#[test]
fn http_beyond_this_machine_is_allowed_by_saying_so() {
    let folder = TempDir::new().expect("a folder");
    files(folder.path());
    std::fs::write(folder.path().join("token"), "0123456789abcdef\n").expect("a file");
    let http = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[http]\naddress = \"0.0.0.0:0\"\nallow_remote = true\n";
    for (more, warned) in [
        ("", "neither http.token_file nor http.client_ca is set"),
        ("token_file = \"token\"\n", "tokens cross the network in clear"),
        ("token_file = \"token\"\ncertificate = \"one.pem\"\nkey = \"one-key.pem\"\n", ""),
        ("client_ca = \"two.pem\"\ncertificate = \"one.pem\"\nkey = \"one-key.pem\"\n", ""),
    ] {
        let (right, said) = check_in(folder.path(), &format!("{http}{more}"));
        assert!(right && said.contains(warned), "{more}: {said}");
        assert_eq!(said.contains("warning: "), !warned.is_empty(), "{more}: {said}");
    }
}

#[test]
fn a_ready_file_that_cannot_be_written_is_told_before_the_start() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let mut command = heddle();
    command.args(["run", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let output = command.args(["--ready-file", "/nowhere/ready.json"]).output().expect("it ends");
    let said = text(&output);
    assert!(!output.status.success() && said.contains("--ready-file") && said.contains("/nowhere"), "{said}");
    assert!(!data.exists(), "nothing was started");
}

fn print(folder: &Path, arguments: &[&str]) -> String {
    let output = heddle().args(["config", "print"]).args(arguments).current_dir(folder).output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// Lines without their comments.
fn values(printed: &str) -> Vec<String> {
    let value = |line: &str| line.rsplit_once(" # ").map_or(line, |(value, _)| value).trim_end().to_owned();
    printed.lines().map(value).collect()
}

#[test]
fn a_printed_configuration_means_the_same() {
    let folder = TempDir::new().expect("a folder");
    let listeners =
        "[[listeners]]\naddress = \"localhost:1\"\n[[listeners]]\naddress = \"127.0.0.1:2\"\nsasl = \"none\"\n";
    std::fs::write(folder.path().join("first.toml"), format!("[node]\nspin_us = 50\n{listeners}")).expect("a file");
    let printed = print(folder.path(), &["--config", "first.toml", "--log", "warn"]);
    let line = |key: &str| printed.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
    assert!(line("spin_us = 50").ends_with("# first.toml:2"), "{printed}");
    assert!(line("cores = \"all\"").ends_with("# default") && line("level = \"warn\"").ends_with("# option --log"));
    assert!(line("# shards is not set: one for each core").ends_with("# default"), "{printed}");
    let sasl: Vec<&str> = printed.lines().filter(|line| line.starts_with("sasl")).collect();
    assert!(sasl[0].ends_with("# default") && sasl[1].ends_with("# first.toml:7"), "{printed}");
    std::fs::write(folder.path().join("second.toml"), &printed).expect("a file");
    assert_eq!(values(&print(folder.path(), &["--config", "second.toml"])), values(&printed));
    // Defaults, too, are a file that a check accepts.
    let defaults = print(folder.path(), &["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let (right, said) = check_in(folder.path(), &defaults);
    assert!(right, "{said}");
    let json: serde_json::Value = serde_json::from_str(&print(folder.path(), &["--json"])).expect("JSON");
    assert_eq!(json["listeners"][0]["address"]["value"], "0.0.0.0:5672");
    assert_eq!((&json["node"]["cores"]["from"], &json["node"]["shards"]["value"]), (&"default".into(), &().into()));
}

#[test]
fn names_of_hosts_are_bound() {
    let broker = Broker::start("[[listeners]]\naddress = \"localhost:0\"");
    let port = broker.addresses[0].port();
    assert!(broker.addresses.iter().all(|address| address.ip().is_loopback() && address.port() == port));
    for address in &broker.addresses {
        let mut peer = crate::peer::Peer::new(crate::peer::connect(*address));
        peer.open();
        peer.round_trip("named");
    }
    let status = run(&["status", "--http", &format!("http://localhost:{}", broker.http.port())]);
    assert!(status.status.success(), "{}", text(&status));
}

#[test]
fn a_user_file_is_changed_only_where_it_is_one() {
    use std::io::Write as _;
    let folder = TempDir::new().expect("a folder");
    let add = |file: &str| {
        let mut command = heddle();
        command.args(["user", "add", "guest", "--file", file]).current_dir(folder.path());
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut process = command.spawn().expect("the program starts");
        // One that has nothing to ask for may have gone already.
        let put = process.stdin.take().expect("its input").write_all(b"secret\n");
        assert!(put.is_ok() || put.is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe), "the password");
        let output = process.wait_with_output().expect("its end");
        (output.status.success(), text(&output))
    };
    let (right, said) = add("users");
    assert!(right && said.contains("when it is started again"), "a broker that runs has read it: {said}");
    std::fs::write(folder.path().join("heddle.toml"), "[node]\n").expect("a file");
    let (right, said) = add("heddle.toml");
    assert!(!right && said.contains("heddle.toml:1: this is no `name:hash`"), "{said}");
    assert_eq!(std::fs::read_to_string(folder.path().join("heddle.toml")).expect("it is there"), "[node]\n");
}
