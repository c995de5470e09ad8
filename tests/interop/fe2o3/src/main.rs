//! fe2o3-amqp against the broker: `client URL ADDRESS FEATURE...`. See ../run.py for what it prints.

use std::time::Duration;

use fe2o3_amqp::connection::{ConnectionHandle, OpenError};
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp::types::messaging::{
    Body, DistributionMode, Header, Message, Modified, Outcome, Properties, Source, Target, TerminusDurability,
};
use fe2o3_amqp::types::primitives::{Binary, Symbol, Value};
use fe2o3_amqp::{Connection, Delivery, Receiver, Sender, Session};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;
type Got = Delivery<Body<Value>>;

const TIMEOUT: Duration = Duration::from_secs(30);

struct Client {
    connection: ConnectionHandle<()>,
    session: SessionHandle<()>,
    links: u32,
}

async fn open(url: &str, profile: SaslProfile) -> std::result::Result<ConnectionHandle<()>, OpenError> {
    Connection::builder().container_id("fe2o3").sasl_profile(profile).open(url).await
}

fn check(condition: bool, text: impl Into<String>) -> Result {
    if condition { Ok(()) } else { Err(text.into().into()) }
}

fn number(delivery: &Got) -> i32 {
    match delivery.body() {
        Body::Value(value) => match value.0 {
            Value::Int(number) => number,
            _ => -1,
        },
        _ => -1,
    }
}

fn count(delivery: &Got) -> u32 {
    delivery.message().header.as_ref().map_or(0, |header| header.delivery_count)
}

impl Client {
    async fn connect(url: &str) -> Result<Self> {
        let mut connection = open(url, SaslProfile::Anonymous).await?;
        let session = Session::begin(&mut connection).await?;
        Ok(Self { connection, session, links: 0 })
    }

    fn name(&mut self) -> String {
        self.links += 1;
        format!("link-{}", self.links)
    }

    async fn sender(&mut self, address: &str) -> Result<Sender> {
        let name = self.name();
        Ok(Sender::attach(&mut self.session, name, address).await?)
    }

    async fn receiver(&mut self, source: impl Into<Source>, credit: u32) -> Result<Receiver> {
        let name = self.name();
        let mode = if credit == 0 { CreditMode::Manual } else { CreditMode::Auto(credit) };
        let receiver = Receiver::builder().name(name).source(source).credit_mode(mode);
        Ok(receiver.attach(&mut self.session).await?)
    }

    async fn send(&mut self, address: &str, numbers: impl IntoIterator<Item = i32>) -> Result {
        let mut sender = self.sender(address).await?;
        for number in numbers {
            let outcome = sender.send(Value::Int(number)).await?;
            check(matches!(outcome, Outcome::Accepted(_)), "not accepted")?;
        }
        Ok(sender.close().await?)
    }

    async fn close(mut self) -> Result {
        self.session.end().await?;
        Ok(self.connection.close().await?)
    }

    async fn unsettled(&mut self, address: &str) -> Result {
        self.send(address, [7]).await?;
        let mut receiver = self.receiver(address, 1).await?;
        let got: Got = receiver.recv().await?;
        receiver.accept(&got).await?;
        check(number(&got) == 7, "another body came back")
    }

    async fn modes(&mut self, address: &str, sending: SenderSettleMode, receiving: ReceiverSettleMode) -> Result {
        let sender = Sender::builder().name("s").target(address);
        let sender = sender.sender_settle_mode(sending.clone()).receiver_settle_mode(receiving.clone());
        let mut sender = sender.attach(&mut self.session).await?;
        sender.send(Value::Int(7)).await?;
        let receiver = Receiver::builder().name("r").source(address);
        let receiver = receiver.sender_settle_mode(sending).receiver_settle_mode(receiving.clone());
        let mut receiver = receiver.attach(&mut self.session).await?;
        let got: Got = receiver.recv().await?;
        if receiving == ReceiverSettleMode::Second {
            receiver.accept(&got).await?;
        }
        check(number(&got) == 7, "another body came back")
    }

    async fn bytes(&mut self, address: &str, size: usize) -> Result {
        let mut sender = self.sender(address).await?;
        let sent = Message::builder().data(Binary::from(vec![b'x'; size])).build();
        check(matches!(sender.send(sent).await?, Outcome::Accepted(_)), "not accepted")?;
        let mut receiver = self.receiver(address, 1).await?;
        let got: Got = receiver.recv().await?;
        receiver.accept(&got).await?;
        match got.body() {
            Body::Data(data) => check(data.iter().map(|part| part.0.len()).sum::<usize>() == size, "another size"),
            _ => Err("the body is no data".into()),
        }
    }

    async fn ordered(&mut self, address: &str) -> Result {
        let mut receiver = self.receiver(address, 100).await?;
        let mut sender = self.sender(address).await?;
        for first in (0..10_000).step_by(50) {
            for number in first..first + 50 {
                sender.send_batchable(Value::Int(number)).await?;
            }
            for expected in first..first + 50 {
                let got: Got = receiver.recv().await?;
                receiver.accept(&got).await?;
                check(number(&got) == expected, format!("{} in the place of {expected}", number(&got)))?;
            }
        }
        Ok(())
    }

    /// Sends 1, settles it as `how`, sends 2: `want` must come, with this delivery-count.
    async fn settled(&mut self, address: &str, how: &str, want: i32, times: u32) -> Result {
        self.send(address, [1]).await?;
        let mut receiver = self.receiver(address, 1).await?;
        let got: Got = receiver.recv().await?;
        check(number(&got) == 1 && count(&got) == 0, "a first delivery")?;
        match how {
            "accept" => receiver.accept(&got).await?,
            "reject" => receiver.reject(&got, None).await?,
            "release" => receiver.release(&got).await?,
            _ => {
                let failed =
                    Modified { delivery_failed: Some(true), undeliverable_here: None, message_annotations: None };
                receiver.modify(&got, failed).await?;
            }
        }
        self.send(address, [2]).await?;
        let got: Got = receiver.recv().await?;
        receiver.accept(&got).await?;
        check(number(&got) == want && count(&got) == times, format!("{} came, count {}", number(&got), count(&got)))
    }

    async fn browse(&mut self, address: &str) -> Result {
        self.send(address, 0..3).await?;
        for mode in [DistributionMode::Copy, DistributionMode::Copy, DistributionMode::Move] {
            let source = Source::builder().address(address).distribution_mode(mode).build();
            let mut receiver = self.receiver(source, 3).await?;
            for expected in 0..3 {
                let got: Got = receiver.recv().await?;
                receiver.accept(&got).await?;
                check(number(&got) == expected, "another message came")?;
            }
            receiver.close().await?;
        }
        Ok(())
    }

    async fn drain(&mut self, address: &str) -> Result {
        self.send(address, 0..3).await?;
        let mut receiver = self.receiver(address, 0).await?;
        receiver.set_credit(10).await?;
        receiver.drain().await?;
        for expected in 0..3 {
            let got: Got = receiver.recv().await?;
            receiver.accept(&got).await?;
            check(number(&got) == expected, "another message came")?;
        }
        // What is sent now must stay: the drain used all credit up.
        self.send(address, [3]).await?;
        let more = tokio::time::timeout(Duration::from_millis(300), receiver.recv::<Body<Value>>()).await;
        check(more.is_err(), "a message came after the drain")
    }

    async fn dynamic(&mut self, address: &str) -> Result {
        let source = Source::builder().dynamic(true).durable(TerminusDurability::None).build();
        let mut replies = self.receiver(source, 1).await?;
        let node = replies.source().as_ref().and_then(|source| source.address.clone()).ok_or("no address")?;
        self.unsettled(address).await?;
        self.send(&node, [42]).await?;
        let got: Got = replies.recv().await?;
        replies.accept(&got).await?;
        check(number(&got) == 42, "another answer")
    }

    async fn relay(&mut self, address: &str) -> Result {
        let sender = Sender::builder().name("relay").target(Target::builder().build());
        let mut sender = sender.attach(&mut self.session).await?;
        let properties = Properties::builder().to(address).build();
        let message = Message::builder().properties(properties).value(Value::Int(5)).build();
        check(matches!(sender.send(message).await?, Outcome::Accepted(_)), "not accepted")?;
        let mut receiver = self.receiver(address, 1).await?;
        let got: Got = receiver.recv().await?;
        receiver.accept(&got).await?;
        check(number(&got) == 5, "another body")
    }

    async fn compete(&mut self, address: &str) -> Result {
        let mut receivers = [self.receiver(address, 5).await?, self.receiver(address, 5).await?];
        let mut seen = std::collections::BTreeSet::new();
        for first in (0..100).step_by(10) {
            self.send(address, first..first + 10).await?;
            for _ in 0..5 {
                for receiver in &mut receivers {
                    let got: Got = receiver.recv().await?;
                    receiver.accept(&got).await?;
                    seen.insert(number(&got));
                }
            }
        }
        check(seen.len() == 100, format!("{} different messages came", seen.len()))
    }

    async fn topic(&mut self, address: &str) -> Result {
        let topic = || vec![Symbol::from("topic")];
        let source = || Source::builder().address(address).capabilities(topic()).build();
        let mut receivers = [self.receiver(source(), 3).await?, self.receiver(source(), 3).await?];
        let target = Target::builder().address(address).capabilities(topic()).build();
        let mut sender = Sender::builder().name("topic").target(target).attach(&mut self.session).await?;
        for number in 0..3 {
            sender.send(Value::Int(number)).await?;
        }
        for receiver in &mut receivers {
            for expected in 0..3 {
                let got: Got = receiver.recv().await?;
                receiver.accept(&got).await?;
                check(number(&got) == expected, "a subscriber got another")?;
            }
        }
        Ok(())
    }

    /// Gives whether the client could go on: 0.18.4 sometimes answers a refusal twice, by its link and by its session,
    /// and then finds its own session in an illegal state.
    /// What is under way when a link is detached is resumed by its unsettled map, and is there once.
    async fn resume(&mut self, address: &str) -> Result {
        const COUNT: i32 = 200;
        for mode in [ReceiverSettleMode::First, ReceiverSettleMode::Second] {
            let target = Target::builder().address(address).timeout(60).build();
            let sender = Sender::builder().name(self.name()).target(target).receiver_settle_mode(mode);
            let mut sender = sender.attach(&mut self.session).await?;
            let mut outcomes = Vec::new();
            for number in 0..COUNT {
                let header = Header::builder().durable(true).build();
                let message = Message::builder().header(header).value(Value::Int(number)).build();
                outcomes.push(sender.send_batchable(message).await?);
            }
            let detached = sender.detach().await.map_err(|(_, error)| error)?;
            let mut sender = detached.resume().await.map_err(|error| format!("{:?}", error.kind))?;
            for outcome in outcomes {
                check(matches!(outcome.await?, Outcome::Accepted(_)), "not accepted")?;
            }
            sender.send(Value::Int(COUNT)).await?;
            sender.close().await?;
            let mut receiver = self.receiver(address, 1000).await?;
            for expected in 0..=COUNT {
                let got: Got = receiver.recv().await?;
                receiver.accept(&got).await?;
                check(number(&got) == expected, format!("{} in the place of {expected}", number(&got)))?;
            }
            receiver.close().await?;
        }
        self.resume_receiving(address).await
    }

    /// What is not decided on when a link is detached comes again, before anything else; what is, does not.
    async fn resume_receiving(&mut self, address: &str) -> Result {
        const COUNT: i32 = 20;
        for mode in [ReceiverSettleMode::First, ReceiverSettleMode::Second] {
            self.send(address, 0..COUNT).await?;
            let source = Source::builder().address(address).timeout(60).build();
            let receiver = Receiver::builder().name(self.name()).source(source).receiver_settle_mode(mode);
            let mut receiver = receiver.credit_mode(CreditMode::Manual).attach(&mut self.session).await?;
            receiver.set_credit(6).await?;
            for expected in 0..6 {
                let got: Got = receiver.recv().await?;
                check(number(&got) == expected, format!("{} in the place of {expected}", number(&got)))?;
                if expected < 3 {
                    receiver.accept(&got).await?;
                }
            }
            let detached = receiver.detach().await.map_err(|(_, error)| error)?;
            let resumed = detached.resume().await.map_err(|error| format!("{:?}", error.kind))?;
            let mut receiver = resumed.into_receiver();
            receiver.set_credit(100).await?;
            for expected in 3..COUNT {
                let got: Got = receiver.recv().await?;
                check(number(&got) == expected, format!("{} in the place of {expected}", number(&got)))?;
                receiver.accept(&got).await?;
            }
            receiver.close().await?;
        }
        Ok(())
    }

    async fn missing_node(&mut self, address: &str) -> Result<bool> {
        match self.receiver(format!("missing.{address}"), 1).await {
            Ok(_) => Err("a node that is not there was attached".into()),
            Err(error) => {
                let error = format!("{error:?}");
                check(error.contains("NotFound") || error.contains("IllegalState"), &error)?;
                Ok(error.contains("NotFound") && self.send(address, [1]).await.is_ok())
            }
        }
    }
}

fn plain(password: &str) -> SaslProfile {
    SaslProfile::Plain { username: "guest".into(), password: password.into() }
}

async fn refused(url: &str, profile: SaslProfile) -> Result {
    match open(url, profile).await {
        Ok(_) => Err("it was accepted".into()),
        Err(error) => check(format!("{error:?}").contains("Sasl"), format!("{error:?}")),
    }
}

async fn run(url: &str, address: &str, feature: &str) -> Result {
    if feature == "wrong-password" {
        open(url, plain("guest-password")).await?.close().await?;
        return refused(url, plain("wrong")).await;
    }
    if feature == "unknown-mechanism" {
        return Err("unsupported: fe2o3-amqp without features offers ANONYMOUS and PLAIN, which the broker has".into());
    }
    let mut client = Client::connect(url).await?;
    match feature {
        "unsettled" => client.unsettled(address).await?,
        "presettled" => client.modes(address, SenderSettleMode::Settled, ReceiverSettleMode::First).await?,
        "second" => client.modes(address, SenderSettleMode::Mixed, ReceiverSettleMode::Second).await?,
        "empty" => client.bytes(address, 0).await?,
        "kib" => client.bytes(address, 1024).await?,
        "big" => client.bytes(address, 50_000_000).await?,
        "ordered" => client.ordered(address).await?,
        "accept" | "reject" => client.settled(address, feature, 2, 0).await?,
        "release" => client.settled(address, feature, 1, 0).await?,
        "modify" => client.settled(address, feature, 1, 1).await?,
        "browse" => client.browse(address).await?,
        "drain" => client.drain(address).await?,
        "dynamic" => client.dynamic(address).await?,
        "relay" => client.relay(address).await?,
        "compete" => client.compete(address).await?,
        "topic" => client.topic(address).await?,
        "resume" => client.resume(address).await?,
        "missing-node" => {
            let mut told = client.missing_node(address).await?;
            for _ in 0..200 {
                if told {
                    break;
                }
                client = Client::connect(url).await?;
                told = client.missing_node(address).await?;
            }
            check(told, "the connection never went on after the refusal")?;
        }
        other => return Err(format!("no feature {other}").into()),
    }
    // A link that the client dropped without detaching makes its own close fail; the feature is done by then.
    let _ = client.close().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    for feature in arguments.get(3..).unwrap_or_default() {
        let address = format!("{}.{feature}", arguments[2]);
        let result = match tokio::time::timeout(TIMEOUT, run(&arguments[1], &address, feature)).await {
            Ok(Ok(())) => "ok".to_owned(),
            Ok(Err(error)) if error.to_string().starts_with("unsupported") => error.to_string(),
            Ok(Err(error)) => format!("failed: {error}"),
            Err(_) => "failed: timeout".to_owned(),
        };
        println!("{feature} {}", result.replace('\n', " "));
    }
}
