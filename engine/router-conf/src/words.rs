//! Attributes of few words, as types: each word stands once, here.

/// A type that is written as one of some words.
pub trait Word: Sized + Copy + 'static {
    /// All words, in the order of qdrouterd's schema: its management takes their places in it, from 0, for words.
    const WORDS: &'static [&'static str];
    /// All values, in the same order.
    const ALL: &'static [Self];
    /// How it is written.
    fn word(self) -> &'static str;
    /// The one that is written so.
    #[must_use]
    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }
}

macro_rules! words {
    ($(#[doc = $about:literal])+ $name:ident { $( $(#[doc = $help:literal])+ $variant:ident = $word:literal, )+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[doc = $help])+ $variant, )+ }

        impl Word for $name {
            const WORDS: &'static [&'static str] = &[ $( $word ),+ ];
            const ALL: &'static [Self] = &[ $( Self::$variant ),+ ];

            fn word(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }
    };
}

words! {
    /// What a router is in its network.
    Mode {
        /// It has no network: no routing protocol, no other routers.
        Standalone = "standalone",
        /// It computes paths with the other interior routers.
        Interior = "interior",
        /// It hangs off one interior router at a time.
        Edge = "edge",
    }
}

words! {
    /// What the other end of a connection is.
    Role {
        /// A client.
        Normal = "normal",
        /// Another interior router.
        InterRouter = "inter-router",
        /// A broker or service: autoLinks and linkRoutes may use the connection.
        RouteContainer = "route-container",
        /// On a listener an edge router, on a connector the interior router.
        Edge = "edge",
    }
}

words! {
    /// How messages of an address are spread.
    Distribution {
        /// A copy to each consumer.
        Multicast = "multicast",
        /// To a consumer at the lowest cost.
        Closest = "closest",
        /// To the consumer with the least load.
        Balanced = "balanced",
        /// To nobody: links to the address are refused.
        Unavailable = "unavailable",
    }
}

words! {
    /// How links of a route are spread over its containers.
    LinkDistribution {
        /// In turn.
        LinkBalanced = "linkBalanced",
    }
}

words! {
    /// Which way messages go, seen from the router.
    Direction {
        /// Into the router: an autoLink receives, a linkRoute is for clients that send.
        In = "in",
        /// Out of the router: an autoLink sends, a linkRoute is for clients that receive.
        Out = "out",
    }
}

words! {
    /// Where the router's annotations of messages are removed.
    StripAnnotations {
        /// From messages that come in.
        In = "in",
        /// From messages that go out.
        Out = "out",
        /// From both.
        Both = "both",
        /// From none.
        No = "no",
    }
}

words! {
    /// Which addresses of a host are used.
    AddressFamily {
        /// Of four octets.
        V4 = "IPv4",
        /// Of sixteen octets.
        V6 = "IPv6",
    }
}

words! {
    /// How an exchange compares a subject with binding keys.
    MatchMethod {
        /// Tokens between dots; `*` and `#`.
        Amqp = "amqp",
        /// Tokens between slashes; `+` and `#`.
        Mqtt = "mqtt",
    }
}

words! {
    /// A part of the router that logs.
    Module {
        /// The router as a whole.
        Router = "ROUTER",
        /// Addresses, links and deliveries.
        RouterCore = "ROUTER_CORE",
        /// Greetings of neighbours.
        RouterHello = "ROUTER_HELLO",
        /// Link states.
        RouterLs = "ROUTER_LS",
        /// Mobile addresses.
        RouterMa = "ROUTER_MA",
        /// Properties of messages that pass.
        Message = "MESSAGE",
        /// Connections, listeners and connectors.
        Server = "SERVER",
        /// Management.
        Agent = "AGENT",
        /// Authentication by a service.
        AuthService = "AUTHSERVICE",
        /// Links and sessions.
        Container = "CONTAINER",
        /// Errors of all parts.
        Error = "ERROR",
        /// Who may do what.
        Policy = "POLICY",
        /// HTTP and WebSocket.
        Http = "HTTP",
        /// Listeners and connectors as they are configured.
        ConnMgr = "CONN_MGR",
        /// Code in Python, which Heddle has none of.
        Python = "PYTHON",
        /// Frames.
        Protocol = "PROTOCOL",
        /// What all others inherit from.
        Default = "DEFAULT",
    }
}

words! {
    /// How grave something is that is logged, from the least.
    Level {
        /// Every step.
        Trace = "trace",
        /// For developers.
        Debug = "debug",
        /// What happens.
        Info = "info",
        /// What is unusual.
        Notice = "notice",
        /// What may become wrong.
        Warning = "warning",
        /// What went wrong.
        Error = "error",
        /// What the router cannot live with.
        Critical = "critical",
    }
}

words! {
    /// A version of TLS.
    TlsVersion {
        /// 1.0
        V1 = "TLSv1",
        /// 1.1
        V1_1 = "TLSv1.1",
        /// 1.2
        V1_2 = "TLSv1.2",
        /// 1.3, which qdrouterd does not know by name
        V1_3 = "TLSv1.3",
    }
}

words! {
    /// The fan-out of a `fixedAddress` of 0.x.
    Fanout {
        /// To all.
        Multiple = "multiple",
        /// To one.
        Single = "single",
    }
}

words! {
    /// To which one, if the fan-out of a `fixedAddress` of 0.x is single.
    Bias {
        /// The nearest.
        Closest = "closest",
        /// Each in turn.
        Spread = "spread",
    }
}

words! {
    /// The direction of a `linkRoutePattern` of 0.x.
    PatternDirection {
        /// See `Direction::In`.
        In = "in",
        /// See `Direction::Out`.
        Out = "out",
        /// One of each.
        Both = "both",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(Role::of_word(role.word()), Some(*role));
        }
        assert_eq!(Role::WORDS, ["normal", "inter-router", "route-container", "edge"]);
        assert_eq!(Role::of_word("Normal"), None);
    }
}
