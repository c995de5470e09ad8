// go-amqp against the broker: `client URL ADDRESS FEATURE...`. See ../run.py for what it prints.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	amqp "github.com/Azure/go-amqp"
)

const timeout = 30 * time.Second

var url = os.Args[1]

type unsupported string

func (u unsupported) Error() string { return string(u) }

func connect(ctx context.Context, sasl amqp.SASLType) (*amqp.Conn, *amqp.Session, error) {
	conn, err := amqp.Dial(ctx, url, &amqp.ConnOptions{SASLType: sasl})
	if err != nil {
		return nil, nil, err
	}
	session, err := conn.NewSession(ctx, nil)
	return conn, session, err
}

func check(condition bool, format string, values ...any) error {
	if condition {
		return nil
	}
	return fmt.Errorf(format, values...)
}

func send(ctx context.Context, session *amqp.Session, address string, options *amqp.SenderOptions, bodies ...[]byte) error {
	sender, err := session.NewSender(ctx, address, options)
	if err != nil {
		return err
	}
	for _, body := range bodies {
		if err := sender.Send(ctx, amqp.NewMessage(body), nil); err != nil {
			return err
		}
	}
	return sender.Close(ctx)
}

func roundTrip(body []byte, sending *amqp.SenderOptions, receiving *amqp.ReceiverOptions) feature {
	return func(ctx context.Context, session *amqp.Session, address string) error {
		if err := send(ctx, session, address, sending, body); err != nil {
			return err
		}
		receiver, err := session.NewReceiver(ctx, address, receiving)
		if err != nil {
			return err
		}
		message, err := receiver.Receive(ctx, nil)
		if err != nil {
			return err
		}
		if err := receiver.AcceptMessage(ctx, message); err != nil {
			return err
		}
		return check(bytes.Equal(message.GetData(), body), "%d bytes came back", len(message.GetData()))
	}
}

// again sends x, settles it, sends y and gives what comes next.
func again(ctx context.Context, session *amqp.Session, address string, settle func(*amqp.Receiver, *amqp.Message) error) (*amqp.Message, error) {
	if err := send(ctx, session, address, nil, []byte("x")); err != nil {
		return nil, err
	}
	receiver, err := session.NewReceiver(ctx, address, &amqp.ReceiverOptions{Credit: 1})
	if err != nil {
		return nil, err
	}
	message, err := receiver.Receive(ctx, nil)
	if err != nil {
		return nil, err
	}
	if err := settle(receiver, message); err != nil {
		return nil, err
	}
	if err := send(ctx, session, address, nil, []byte("y")); err != nil {
		return nil, err
	}
	return receiver.Receive(ctx, nil)
}

func settled(want string, count uint32, settle func(context.Context, *amqp.Receiver, *amqp.Message) error) feature {
	return func(ctx context.Context, session *amqp.Session, address string) error {
		message, err := again(ctx, session, address, func(receiver *amqp.Receiver, message *amqp.Message) error {
			return settle(ctx, receiver, message)
		})
		if err != nil {
			return err
		}
		found := uint32(0)
		if message.Header != nil {
			found = message.Header.DeliveryCount
		}
		return check(string(message.GetData()) == want && found == count, "%s came with delivery-count %d", message.GetData(), found)
	}
}

func ordered(ctx context.Context, session *amqp.Session, address string) error {
	const count = 10000
	fault := make(chan error, 1)
	go func() {
		sender, err := session.NewSender(ctx, address, nil)
		for number := 0; err == nil && number < count; number++ {
			err = sender.Send(ctx, amqp.NewMessage([]byte(fmt.Sprint(number))), nil)
		}
		fault <- err
	}()
	receiver, err := session.NewReceiver(ctx, address, &amqp.ReceiverOptions{Credit: 100})
	if err != nil {
		return err
	}
	for number := 0; number < count; number++ {
		message, err := receiver.Receive(ctx, nil)
		if err != nil {
			return err
		}
		if string(message.GetData()) != fmt.Sprint(number) {
			return fmt.Errorf("%s in the place of %d", message.GetData(), number)
		}
		if err := receiver.AcceptMessage(ctx, message); err != nil {
			return err
		}
	}
	return <-fault
}

func drain(ctx context.Context, session *amqp.Session, address string) error {
	if err := send(ctx, session, address, nil, []byte("0"), []byte("1"), []byte("2")); err != nil {
		return err
	}
	receiver, err := session.NewReceiver(ctx, address, &amqp.ReceiverOptions{Credit: -1})
	if err != nil {
		return err
	}
	if err := receiver.IssueCredit(10); err != nil {
		return err
	}
	// Credit goes out with the link's next turn: the first message shows that it did.
	if _, err := receiver.Receive(ctx, nil); err != nil {
		return err
	}
	if err := receiver.DrainCredit(ctx, nil); err != nil {
		return err
	}
	got := 1
	for receiver.Prefetched() != nil {
		got++
	}
	return check(got == 3, "%d came before the drain", got)
}

func dynamic(ctx context.Context, session *amqp.Session, address string) error {
	replies, err := session.NewReceiver(ctx, "", &amqp.ReceiverOptions{DynamicAddress: true})
	if err != nil {
		return err
	}
	if err := check(replies.Address() != "", "the dynamic node has no address"); err != nil {
		return err
	}
	if err := send(ctx, session, replies.Address(), nil, []byte("answer")); err != nil {
		return err
	}
	message, err := replies.Receive(ctx, nil)
	if err != nil {
		return err
	}
	return check(string(message.GetData()) == "answer", "another answer")
}

func relay(ctx context.Context, session *amqp.Session, address string) error {
	sender, err := session.NewSender(ctx, "", nil)
	if err != nil {
		return err
	}
	message := amqp.NewMessage([]byte("relayed"))
	message.Properties = &amqp.MessageProperties{To: &address}
	if err := sender.Send(ctx, message, nil); err != nil {
		return err
	}
	receiver, err := session.NewReceiver(ctx, address, nil)
	if err != nil {
		return err
	}
	got, err := receiver.Receive(ctx, nil)
	if err != nil {
		return err
	}
	return check(string(got.GetData()) == "relayed", "another body")
}

func compete(ctx context.Context, session *amqp.Session, address string) error {
	var receivers [2]*amqp.Receiver
	for index := range receivers {
		receiver, err := session.NewReceiver(ctx, address, &amqp.ReceiverOptions{Credit: 5})
		if err != nil {
			return err
		}
		receivers[index] = receiver
	}
	seen, share := map[string]int{}, [2]int{}
	for first := 0; first < 100; first += 10 {
		var bodies [][]byte
		for number := first; number < first+10; number++ {
			bodies = append(bodies, []byte(fmt.Sprint(number)))
		}
		if err := send(ctx, session, address, nil, bodies...); err != nil {
			return err
		}
		// Which receiver gets how many follows from whose new credit comes first; that all come does not.
		for index := 0; len(seen) < first+10; index = 1 - index {
			message, err := soon(ctx, receivers[index])
			if err != nil {
				return err
			}
			if message == nil {
				continue
			}
			share[index]++
			seen[string(message.GetData())]++
			if err := receivers[index].AcceptMessage(ctx, message); err != nil {
				return err
			}
		}
	}
	return check(share[0] > 0 && share[1] > 0, "one receiver got %d, the other one %d", share[0], share[1])
}

// A message that the receiver has, or that comes within a moment; nil if there is none.
func soon(ctx context.Context, receiver *amqp.Receiver) (*amqp.Message, error) {
	moment, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	message, err := receiver.Receive(moment, nil)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, nil
	}
	return message, err
}

func topic(ctx context.Context, session *amqp.Session, address string) error {
	var receivers [2]*amqp.Receiver
	for index := range receivers {
		receiver, err := session.NewReceiver(ctx, address, &amqp.ReceiverOptions{Credit: 3, SourceCapabilities: []string{"topic"}})
		if err != nil {
			return err
		}
		receivers[index] = receiver
	}
	options := &amqp.SenderOptions{TargetCapabilities: []string{"topic"}}
	if err := send(ctx, session, address, options, []byte("0"), []byte("1"), []byte("2")); err != nil {
		return err
	}
	for _, receiver := range receivers {
		for number := 0; number < 3; number++ {
			message, err := receiver.Receive(ctx, nil)
			if err != nil {
				return err
			}
			if string(message.GetData()) != fmt.Sprint(number) {
				return fmt.Errorf("%s in the place of %d", message.GetData(), number)
			}
		}
	}
	return nil
}

func wrongPassword(ctx context.Context, _ *amqp.Session, _ string) error {
	conn, _, err := connect(ctx, amqp.SASLTypePlain("guest", "guest-password"))
	if err != nil {
		return err
	}
	conn.Close()
	_, _, err = connect(ctx, amqp.SASLTypePlain("guest", "wrong"))
	return check(err != nil && strings.Contains(err.Error(), "SASL PLAIN auth failed"), "not refused: %v", err)
}

func unknownMechanism(ctx context.Context, _ *amqp.Session, _ string) error {
	_, _, err := connect(ctx, amqp.SASLTypeExternal(""))
	return check(err != nil && strings.Contains(err.Error(), "mechanism"), "not refused: %v", err)
}

func missingNode(ctx context.Context, session *amqp.Session, address string) error {
	_, err := session.NewReceiver(ctx, "missing."+address, nil)
	var refusal *amqp.Error
	if !errors.As(err, &refusal) || refusal.Condition != amqp.ErrCondNotFound {
		return fmt.Errorf("not refused as it should be: %v", err)
	}
	return send(ctx, session, address, nil, []byte("the connection lives"))
}

type feature func(context.Context, *amqp.Session, string) error

var features = map[string]feature{
	"unsettled":  roundTrip([]byte("unsettled"), nil, nil),
	"presettled": roundTrip([]byte("presettled"), &amqp.SenderOptions{SettlementMode: amqp.SenderSettleModeSettled.Ptr()}, &amqp.ReceiverOptions{RequestedSenderSettleMode: amqp.SenderSettleModeSettled.Ptr()}),
	"second":     roundTrip([]byte("second"), &amqp.SenderOptions{RequestedReceiverSettleMode: amqp.ReceiverSettleModeSecond.Ptr()}, &amqp.ReceiverOptions{SettlementMode: amqp.ReceiverSettleModeSecond.Ptr()}),
	"empty":      roundTrip([]byte{}, nil, nil),
	"kib":        roundTrip(bytes.Repeat([]byte("k"), 1024), nil, nil),
	"big":        roundTrip(bytes.Repeat([]byte("B"), 50_000_000), nil, nil),
	"ordered":    ordered,
	"accept": settled("y", 0, func(ctx context.Context, receiver *amqp.Receiver, message *amqp.Message) error {
		return receiver.AcceptMessage(ctx, message)
	}),
	"reject": settled("y", 0, func(ctx context.Context, receiver *amqp.Receiver, message *amqp.Message) error {
		return receiver.RejectMessage(ctx, message, nil)
	}),
	"release": settled("x", 0, func(ctx context.Context, receiver *amqp.Receiver, message *amqp.Message) error {
		return receiver.ReleaseMessage(ctx, message)
	}),
	"modify": settled("x", 1, func(ctx context.Context, receiver *amqp.Receiver, message *amqp.Message) error {
		return receiver.ModifyMessage(ctx, message, &amqp.ModifyMessageOptions{DeliveryFailed: true})
	}),
	"browse": func(context.Context, *amqp.Session, string) error {
		return unsupported("go-amqp has no option for a source's distribution mode")
	},
	"drain": drain, "dynamic": dynamic, "relay": relay, "compete": compete, "topic": topic,
	"wrong-password": wrongPassword, "unknown-mechanism": unknownMechanism, "missing-node": missingNode,
}

func run(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, session, err := connect(ctx, amqp.SASLTypeAnonymous())
	if err != nil {
		return err
	}
	defer conn.Close()
	return features[name](ctx, session, os.Args[2]+"."+name)
}

func main() {
	for _, name := range os.Args[3:] {
		err := run(name)
		var cannot unsupported
		switch {
		case err == nil:
			fmt.Println(name, "ok")
		case errors.As(err, &cannot):
			fmt.Println(name, "unsupported:", cannot)
		default:
			fmt.Println(name, "failed:", strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
}
