//! What there is to be managed: each type with its operations. Whoever answers goes by this table, and tells it (`GET-OPERATIONS`).

/// The type of management itself, whose operations are about all things.
pub const MANAGEMENT_TYPE: &str = "org.amqp.management";
/// The type of queues.
pub const QUEUE: &str = "queue";

/// The type of addresses.
pub const ADDRESS: &str = "address";

/// Something that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// As requests name it.
    pub name: &'static str,
    /// What it does, one sentence.
    pub help: &'static str,
}

/// Things of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// As requests name it.
    pub name: &'static str,
    /// What is done with one of them.
    pub operations: &'static [Operation],
}

impl Operation {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help }
    }
}

/// All of them.
pub const TYPES: &[Type] = &[
    Type {
        name: MANAGEMENT_TYPE,
        operations: &[
            Operation::new("QUERY", "Lists things of the type entityType, a part at a time."),
            Operation::new("GET-TYPES", "Tells the types that there are."),
            Operation::new("GET-ATTRIBUTES", "Tells what is told of things of each type."),
            Operation::new("GET-OPERATIONS", "Tells what can be done with things of each type."),
        ],
    },
    Type {
        name: QUEUE,
        operations: &[
            Operation::new("READ", "Tells of one queue."),
            Operation::new("CREATE", "Declares a queue, which stays until it is deleted."),
            Operation::new("UPDATE", "Changes what was declared of a queue."),
            Operation::new("DELETE", "Deletes a queue; one with messages or consumers only if force is true."),
            Operation::new(
                "PAUSE",
                "Has a queue take messages and give none; until the node ends, or over restarts if keep is true.",
            ),
            Operation::new("RESUME", "Ends that."),
            Operation::new("REMOVE", "Removes messages."),
            Operation::new("MOVE", "Moves messages to another address, or to address::queue."),
            Operation::new("COPY", "Copies messages to another address, or to address::queue."),
            Operation::new("RETRY", "Moves messages back to where they came from first."),
            Operation::new("EXPIRE", "Lets messages expire, whatever their time to live."),
            Operation::new("DEAD-LETTER", "Moves messages to the dead-letter address of the queue's address."),
        ],
    },
    Type {
        name: ADDRESS,
        operations: &[
            Operation::new("READ", "Tells the settings that hold for an address."),
            Operation::new("CREATE", "Declares an address, with settings of its own."),
            Operation::new("UPDATE", "Changes settings of an address that was declared so."),
            Operation::new("DELETE", "Takes back what was declared of an address, and of its queues if force is true."),
            Operation::new(
                "PAUSE",
                "Pauses all queues of an address, also those that come; over restarts if keep is true.",
            ),
            Operation::new("RESUME", "Ends that; queues that were paused by themselves stay so."),
            Operation::new("BLOCK", "Gives the producers of an address no more credit; over restarts if keep is true."),
            Operation::new("UNBLOCK", "Ends that."),
        ],
    },
];
