//! What a name in a selector stands for: headers by their names in JMS and in Artemis, annotations, properties.

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    MessageId,
    CorrelationId,
    Priority,
    /// Milliseconds since the epoch; 0 without one.
    Timestamp,
    Type,
    /// `'PERSISTENT'` or `'NON_PERSISTENT'`.
    DeliveryMode,
    /// `'DURABLE'` or `'NON_DURABLE'`.
    Durability,
    ReplyTo,
    Destination,
    Redelivered,
    /// Milliseconds since the epoch; 0 for never.
    Expiration,
    GroupId,
    /// As a signed number of 32 bits.
    GroupSequence,
    UserId,
    /// Of the delivery that comes next: from 1.
    DeliveryCount,
    Address,
    Size,
    /// A message annotation.
    Annotation(Box<str>),
    /// An application property.
    Property(Box<str>),
}

impl Name {
    /// What `name` stands for, as it is written in the selector.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "JMSMessageID" | "AMQUserID" => Self::MessageId,
            "JMSCorrelationID" => Self::CorrelationId,
            "JMSPriority" | "AMQPriority" => Self::Priority,
            "JMSTimestamp" | "AMQTimestamp" => Self::Timestamp,
            "JMSType" => Self::Type,
            "JMSDeliveryMode" => Self::DeliveryMode,
            "AMQDurable" => Self::Durability,
            "JMSReplyTo" => Self::ReplyTo,
            "JMSDestination" => Self::Destination,
            "JMSRedelivered" => Self::Redelivered,
            "JMSExpiration" | "AMQExpiration" => Self::Expiration,
            "JMSXGroupID" | "AMQGroupID" => Self::GroupId,
            "JMSXGroupSeq" => Self::GroupSequence,
            "JMSXUserID" => Self::UserId,
            "JMSXDeliveryCount" => Self::DeliveryCount,
            "AMQAddress" => Self::Address,
            "AMQSize" => Self::Size,
            _ => match name.strip_prefix("m.") {
                Some(annotation) => Self::Annotation(annotation.into()),
                None => Self::Property(name.into()),
            },
        }
    }
}
