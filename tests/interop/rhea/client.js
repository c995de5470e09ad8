// rhea against the broker: `client.js URL ADDRESS FEATURE...`. See ../run.py for what it prints.
'use strict';
const rhea = require('rhea');
const { hostname, port } = new URL(process.argv[2].replace('amqp:', 'http:'));
const TIMEOUT_MS = 20000;

function check(condition, text) {
  if (!condition) throw new Error(text);
}

// Runs `start(connection, done, fail)` on an open connection; resolves with what `done` is given.
function connected(start, options = {}) {
  return new Promise((resolve, reject) => {
    const container = rhea.create_container();
    const settings = { host: hostname, port, username: 'anonymous', reconnect: false, ...options };
    const connection = container.connect(settings);
    const timer = setTimeout(() => finish(reject, new Error('timeout')), TIMEOUT_MS);
    function finish(settle, value) {
      clearTimeout(timer);
      connection.removeAllListeners('disconnected');
      connection.on('disconnected', () => {});
      connection.close();
      settle(value);
    }
    const done = (value) => finish(resolve, value);
    const fail = (error) => finish(reject, error instanceof Error ? error : new Error(`${error.condition}: ${error.description}`));
    connection.on('disconnected', (context) => fail(context.error || 'disconnected'));
    connection.on('connection_error', (context) => fail(context.error || context.connection.error || new Error('closed with an error')));
    connection.on('session_error', (context) => fail(context.error || context.session.error));
    const guard = (listener) => (context) => { try { listener(context); } catch (error) { fail(error); } };
    connection.once('connection_open', guard(() => start(connection, done, fail, guard)));
    container.on('error', fail);
  });
}

// Sends `bodies` and resolves once all are accepted.
function send(connection, target, bodies, options = {}) {
  return new Promise((resolve, reject) => {
    const sender = connection.open_sender({ target, ...options });
    let sent = 0;
    let accepted = 0;
    sender.on('sendable', () => {
      while (sender.sendable() && sent < bodies.length) sender.send({ body: bodies[sent++] });
      if (options.snd_settle_mode === 1 && sent === bodies.length) resolve(sender);
    });
    sender.on('accepted', () => { if (++accepted === bodies.length) resolve(sender); });
    sender.on('rejected', (context) => reject(new Error(`rejected: ${context.delivery.remote_state}`)));
  });
}

// Resolves with the first `count` messages; `settle` decides on each delivery.
function receive(connection, source, count, settle = (delivery) => delivery.accept(), options = {}) {
  return new Promise((resolve, reject) => {
    const messages = [];
    const receiver = connection.open_receiver({ source, credit_window: 0, autoaccept: false, autosettle: false, ...options });
    receiver.add_credit(count);
    receiver.on('receiver_error', () => reject(new Error(receiver.error.condition)));
    receiver.on('message', (context) => {
      messages.push(context.message);
      settle(context.delivery, messages.length);
      if (messages.length === count) resolve(messages, receiver.close());
    });
  });
}

function steps(run) {
  return (address) => connected((connection, done, fail) => run(connection, address).then(done, fail));
}

function same(a, b) {
  return Buffer.isBuffer(b) ? Buffer.compare(Buffer.from(a.content || a), b) === 0 : a === b;
}

function roundTrip(body, sending, receiving, settle) {
  return steps(async (connection, address) => {
    await send(connection, address, [body], sending);
    const [message] = await receive(connection, address, 1, settle, receiving);
    check(same(message.body, body), 'another body came back');
  });
}

const data = (size) => rhea.message.data_section(Buffer.alloc(size, 'x'));

function bytes(size) {
  return steps(async (connection, address) => {
    await send(connection, address, [data(size)]);
    const [message] = await receive(connection, address, 1);
    check(message.body.content.length === size, `${message.body.content.length} bytes came back`);
  });
}

// `x` settled by `settle`, then `y`: resolves with the next message.
function again(settle) {
  return async (connection, address) => {
    await send(connection, address, ['x']);
    const [first] = await receive(connection, address, 1, settle);
    check(first.body === 'x' && !first.delivery_count, 'a first delivery');
    await send(connection, address, ['y']);
    return (await receive(connection, address, 1))[0];
  };
}

const features = {
  unsettled: roundTrip('unsettled'),
  presettled: roundTrip('presettled', { snd_settle_mode: 1 }, { snd_settle_mode: 1 }, () => {}),
  second: (address) => connected((connection, done, fail, guard) => {
    const seen = new Set();
    const step = (name) => { seen.add(name); if (seen.has('accepted') && seen.has('settled')) done(); };
    const receiver = connection.open_receiver({ source: address, rcv_settle_mode: 1, autoaccept: false, autosettle: false });
    receiver.on('message', guard((context) => context.delivery.update(false, rhea.message.accepted().described())));
    receiver.on('settled', guard((context) => { context.delivery.update(true); step('settled'); }));
    const sender = connection.open_sender({ target: address, rcv_settle_mode: 1, autosettle: false });
    sender.once('sendable', () => sender.send({ body: 'second' }));
    sender.on('accepted', guard((context) => {
      check(!context.delivery.remote_settled, 'the receiver settled before the sender');
      context.delivery.update(true);
      step('accepted');
    }));
  }),
  empty: bytes(0),
  kib: bytes(1024),
  big: bytes(50000000),
  ordered: steps(async (connection, address) => {
    const count = 10000;
    const receiving = receive(connection, address, count);
    await send(connection, address, Array.from({ length: count }, (_, index) => index));
    (await receiving).forEach((message, index) => check(message.body === index, `${message.body} in the place of ${index}`));
  }),
  accept: steps(async (connection, address) => {
    check((await again((delivery) => delivery.accept())(connection, address)).body === 'y', 'it came again');
  }),
  reject: steps(async (connection, address) => {
    check((await again((delivery) => delivery.reject())(connection, address)).body === 'y', 'it came again');
  }),
  release: steps(async (connection, address) => {
    const message = await again((delivery) => delivery.release())(connection, address);
    check(message.body === 'x' && !message.delivery_count, `${message.body}, ${message.delivery_count}`);
  }),
  modify: steps(async (connection, address) => {
    const message = await again((delivery) => delivery.modified({ delivery_failed: true }))(connection, address);
    check(message.body === 'x' && message.delivery_count === 1, `${message.body}, ${message.delivery_count}`);
  }),
  browse: steps(async (connection, address) => {
    await send(connection, address, [0, 1, 2]);
    for (let round = 0; round < 2; round++) {
      const seen = await receive(connection, { address, distribution_mode: 'copy' }, 3);
      check(seen.map((message) => message.body).join() === '0,1,2', 'the browser saw others');
    }
    const taken = await receive(connection, address, 3);
    check(taken.map((message) => message.body).join() === '0,1,2', 'the browser took some');
  }),
  drain: (address) => connected((connection, done, fail, guard) => {
    send(connection, address, [0, 1, 2]).then(() => {
      let got = 0;
      const receiver = connection.open_receiver({ source: address, credit_window: 0 });
      receiver.on('message', () => { got++; });
      receiver.on('receiver_drained', guard(() => { check(got === 3, `${got} came before the drain`); done(); }));
      receiver.drain = true;
      receiver.add_credit(10);
    }, fail);
  }),
  dynamic: (address) => connected((connection, done, fail, guard) => {
    const replies = connection.open_receiver({ source: { dynamic: true } });
    replies.on('message', guard((context) => { check(context.message.body === 'answer', 'another answer'); done(); }));
    replies.once('receiver_open', guard(() => {
      check(replies.source.address, 'the dynamic node has no address');
      const requests = connection.open_receiver(address);
      requests.on('message', (context) => send(connection, context.message.reply_to, ['answer']).catch(fail));
      const sender = connection.open_sender(address);
      sender.once('sendable', () => sender.send({ body: 'ask', reply_to: replies.source.address }));
    }));
  }),
  relay: (address) => connected((connection, done, fail, guard) => {
    const receiver = connection.open_receiver(address);
    receiver.on('message', guard((context) => { check(context.message.body === 'relayed', 'another body'); done(); }));
    const sender = connection.open_sender({ target: {} });
    sender.once('sendable', () => sender.send({ to: address, body: 'relayed' }));
  }),
  compete: (address) => connected((connection, done, fail, guard) => {
    const got = [new Set(), new Set()];
    got.forEach((bodies, index) => {
      const receiver = connection.open_receiver({ source: address, name: `c${index}`, credit_window: 5 });
      receiver.on('message', guard((context) => {
        check(!got[0].has(context.message.body) && !got[1].has(context.message.body), 'one message came twice');
        bodies.add(context.message.body);
        if (got[0].size + got[1].size === 100) {
          check(got[0].size > 0 && got[1].size > 0, 'one consumer got all');
          done();
        }
      }));
    });
    send(connection, address, Array.from({ length: 100 }, (_, index) => index)).catch(fail);
  }),
  topic: steps(async (connection, address) => {
    const source = { address, capabilities: ['topic'] };
    const receiving = [0, 1].map((index) => receive(connection, source, 3, undefined, { name: `s${index}` }));
    await new Promise((resolve) => connection.once('receiver_open', () => connection.once('receiver_open', resolve)));
    await send(connection, { address, capabilities: ['topic'] }, [0, 1, 2]);
    for (const messages of await Promise.all(receiving)) {
      check(messages.map((message) => message.body).join() === '0,1,2', 'a subscriber got others');
    }
  }),
  'wrong-password': async () => {
    await connected((_, done) => done(), { username: 'guest', password: 'guest-password' });
    const fault = await connected((_, done) => done('accepted'), { username: 'guest', password: 'wrong' }).catch((error) => error);
    check(/sasl|auth/i.test(String(fault.message || fault)), `not refused: ${fault.message || fault}`);
  },
  'unknown-mechanism': async () => {
    const none = { start: () => Buffer.alloc(0), step: () => Buffer.alloc(0) };
    const options = { username: undefined, sasl_mechanisms: { 'X-NONE': () => none } };
    const fault = await connected((_, done) => done('accepted'), options).catch((error) => error);
    check(/mechanism|sasl|auth/i.test(String(fault.message || fault)), `not refused: ${fault.message || fault}`);
  },
  'missing-node': steps(async (connection, address) => {
    const fault = await receive(connection, `missing.${address}`, 1).catch((error) => error);
    check(fault.message === 'amqp:not-found', `${fault.message}`);
    await send(connection, address, ['the connection lives']);
  }),
};

(async () => {
  for (const feature of process.argv.slice(4)) {
    try {
      await features[feature](`${process.argv[3]}.${feature}`);
      console.log(feature, 'ok');
    } catch (error) {
      console.log(feature, 'failed:', String(error.message || error).replace(/\n/g, ' '));
    }
  }
  process.exit(0);
})();
