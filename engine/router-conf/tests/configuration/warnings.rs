//! What is doubtful: it is read, and told.

use engine_router_conf::Doubt;

use super::read;

/// Each text is right, and has these warnings and no others.
fn check(cases: &[(&str, Doubt, &[&str])]) {
    for (text, doubt, wanted) in cases {
        let read = read("a.conf", text);
        assert!(read.configuration.is_ok(), "{text}: {:?}", read.configuration);
        let told: Vec<String> = read.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(&told, wanted, "{text}");
        assert!(read.warnings.iter().all(|warning| warning.doubt == *doubt), "{text}");
    }
}

#[test]
fn former_spellings_work() {
    check(&[
        (
            "connector {\n name: b\n role: route-container\n}\nautoLink {\n addr: a\n dir: in\n connection: b\n}\n",
            Doubt::Deprecated,
            &[
                "a.conf:6: Attribute 'addr' of entity 'autoLink' has been deprecated. Use 'address' instead",
                "a.conf:7: Attribute 'dir' of entity 'autoLink' has been deprecated. Use 'direction' instead",
            ],
        ),
        (
            "listener {\n allow-unsecured: no\n}\n",
            Doubt::Deprecated,
            &[
                "a.conf:2: Attribute 'allowUnsecured' of entity 'listener' has been deprecated. Use 'requireEncryption' instead; it means the \
             opposite",
            ],
        ),
        (
            "fixedAddress {\n prefix: a\n}\n",
            Doubt::Deprecated,
            &["a.conf:1: Entity 'fixedAddress' has been deprecated. Use 'address' instead"],
        ),
        (
            "listener {\n trustedCertsFile: a\n}\n",
            Doubt::Deprecated,
            &[
                "a.conf:2: Attribute 'trustedCertsFile' of entity 'listener' has been deprecated. Use 'caCertFile of the sslProfile' instead",
            ],
        ),
        // Words of today, and hyphens, need no warning.
        ("listener {\n sasl-mechanisms: PLAIN\n}\n", Doubt::Deprecated, &[]),
    ]);
}

#[test]
fn what_is_ignored_is_told() {
    check(&[
        (
            "connector {\n allowRedirect: no\n connectionStatus: x\n}\n",
            Doubt::Ignored,
            &[
                "a.conf:2: Attribute 'allowRedirect' of entity 'connector' is ignored: no version ever followed one",
                "a.conf:3: Attribute 'connectionStatus' of entity 'connector' is told by the router and not set",
            ],
        ),
        (
            "console {\n anything: goes\n}\n",
            Doubt::Ignored,
            &["a.conf:1: Entity 'console' is ignored: the console is served by listeners with `http: yes`"],
        ),
        (
            "log {\n module: TCP_ADAPTOR\n}\n",
            Doubt::Ignored,
            &["a.conf:1: Entity 'log' is ignored: its module is of another version"],
        ),
        (
            "listener {\n cost: 2\n metrics: no\n}\n",
            Doubt::Ignored,
            &[
                "a.conf:2: 'cost' of listener is ignored: its role is normal, not inter-router",
                "a.conf:3: 'metrics' of listener is ignored: it has no `http: yes`",
            ],
        ),
    ]);
    let read = read("a.conf", "router {\n id: a\n}\ncontainer {\n workerThreads: 2\n containerName: b\n}\n");
    let told: Vec<String> = read.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told[1],
        "a.conf:6: 'containerName' of container is ignored: 'id' of router in line 2 says something else"
    );
    let router = read.configuration.unwrap().router;
    assert_eq!((router.id.as_deref(), router.worker_threads), (Some("a"), 2));
}

#[test]
fn what_is_probably_not_meant_is_told() {
    check(&[
        (
            "connector {\n saslPassword: a#b\n}\n",
            Doubt::Questionable,
            &[
                "a.conf:2: the value of 'saslPassword' ends before the '#'; if that belongs to it, write it in quotation marks",
            ],
        ),
        (
            "router {\n id: a\n id: b\n}\n",
            Doubt::Questionable,
            &["a.conf:3: 'id' stands there twice; what line 2 says is ignored"],
        ),
        (
            "autoLink {\n address: a\n direction: in\n}\n",
            Doubt::Questionable,
            &["a.conf:1: this autoLink has neither 'connection' nor 'containerId': it is never made"],
        ),
        (
            "connector {\n name: broker\n}\nlinkRoute {\n prefix: a\n direction: in\n connection: broker\n}\n",
            Doubt::Questionable,
            &["a.conf:7: 'connection' of linkRoute is 'broker', whose role is not route-container: it is never used"],
        ),
        (
            "connector {\n name: broker\n}\nlinkRoute {\n prefix: a\n direction: in\n connection: brokr\n}\n",
            Doubt::Questionable,
            &[
                "a.conf:7: 'connection' of linkRoute is 'brokr', and no connector or listener has this name; did you mean `broker`?",
            ],
        ),
        (
            "listener {\n maxFrameSize: 100\n maxSessions: 40000\n linkCapacity: 0\n}\n",
            Doubt::Questionable,
            &[
                "a.conf:2: 'maxFrameSize' is 100, which is taken for 512",
                "a.conf:3: 'maxSessions' is 40000, which is taken for 32768",
            ],
        ),
        (
            "sslProfile {\n}\n",
            Doubt::Questionable,
            &["a.conf:1: this sslProfile has no 'name': no listener and no connector can name it"],
        ),
        (
            "router {\n helloMaxAgeSeconds: 1\n helloIntervalSeconds: 2\n}\n",
            Doubt::Questionable,
            &[
                "a.conf:2: 'helloMaxAgeSeconds' is less than 'helloIntervalSeconds': every neighbour is lost between two greetings",
            ],
        ),
        (
            "vhost {\n hostname: a\n allowUnknownUser: yes\n}\n",
            Doubt::Questionable,
            &[
                "a.conf:3: 'allowUnknownUser' of vhost is yes, and there is no group $default: unknown users are refused",
            ],
        ),
    ]);
}
