/** The exercises of docs/sandbox.md, with its commands, and the facts that tick them. A test compares both. */

const raw = String.raw;

export const START = raw`. .venv/bin/activate
export MQTT_PORT=1883
`;

/** Machines whose ids the commands name: those of the sandbox. */
export const DEVICES = ["conveyor", "robot_arm", "press", "env_station"];

/** facts: name of each fact that ticks an exercise, and what it says.  steps: text, or commands for a shell. */
export const EXERCISES = [
  {
    number: 1,
    title: "Wildcards",
    facts: {wildcard_plus: "Subscribe to a filter with `+`", wildcard_hash: "Subscribe to a filter with `#`"},
    steps: [
      {run: raw`python app.py sub --topic 'factory/telemetry/+/temperature' --count 8
python app.py sub --topic 'factory/+/robot_arm/#' --qos 1 --count 6
`},
    ],
    observe: "The first has three devices, and not the hall's, whose sensor is `ambient_temp`. The second has topics of three and of four levels.",
    why: "`+` is exactly one level, `#` all that are left, also none. The broker looks at topics alone, so a topic tree is the index of a plant.",
  },
  {
    number: 2,
    title: "QoS",
    facts: {
      qos_both: "Get QoS 0 and QoS 1 on one connection",
      qos_kept: "Come back to what was kept at QoS 1; what was sent at QoS 0 is gone",
    },
    steps: [
      "An observer listens for a moment and leaves. Its session stays at the broker.",
      {run: raw`python app.py observe --session persistent --topic 'factory/+/press/vibration' --count 2
`},
      "While it is away the press gets a loose frame. Another subscriber waits for the alarm; then the observer is back.",
      {run: raw`python app.py pub --username dashboard --password-file scenarios/sandbox/dashboard.password --qos 1 \
  --topic factory/commands/dashboard/press --message '{"command":"inject","fault":"loose_frame","severity":1.2}'
python app.py sub --topic 'factory/alarms/press/vibration' --qos 1 --count 1 --seconds 50s
python app.py observe --session persistent --topic 'factory/+/press/vibration' --count 3
`},
    ],
    observe: "The alarm is there although nobody listened. Of the telemetry, `seq` jumps: those values are gone.",
    why: "A message is delivered at the lower QoS of publisher and subscription. Telemetry is published at 0, at most once; alarms at 1, and sent again until they are acknowledged.",
  },
  {
    number: 3,
    title: "Retained messages",
    facts: {
      retained_got: "Get a retained message on subscribing",
      retained_left: "Leave one of your own",
      retained_deleted: "Delete it by an empty one",
    },
    steps: [
      {run: raw`python app.py sub --topic 'factory/status/+' --topic 'factory/state/+' --retained --qos 1 --count 8
python app.py pub --topic classroom/note --message back_at_ten --retain --qos 1
python app.py sub --topic 'classroom/#' --retained --count 1 --seconds 10s
python app.py pub --topic classroom/note --message= --retain --qos 1
`},
    ],
    observe: "Eight messages at once, though they were published before. With `--live` in place of `--retained` nothing comes until a device sends its state again.",
    why: "The broker keeps the last retained message of each topic for new subscribers, marked `retain=1`. A dashboard that has just begun knows how things are. Telemetry is not retained: an old value would look like a new one.",
  },
  {
    number: 4,
    title: "Last will",
    facts: {
      will_published: "A connection breaks: the broker publishes its will",
      will_forgotten: "A connection ends cleanly: the broker forgets its will",
    },
    steps: [
      "Two terminals. The first one watches:",
      {run: raw`# another terminal
python app.py sub --topic factory/status/press --qos 1 --count 3
`},
      "The other cuts the connection of the press, as a power failure would:",
      {run: raw`python app.py pub --username dashboard --password-file scenarios/sandbox/dashboard.password --qos 1 \
  --topic factory/commands/dashboard/press --message '{"command":"crash"}'
`},
      "Now a clean end. Watch again, and have the press leave for two seconds:",
      {run: raw`# another terminal
python app.py sub --topic factory/status/press --qos 1 --count 3
`},
      {run: raw`python app.py pub --username dashboard --password-file scenarios/sandbox/dashboard.password --qos 1 \
  --topic factory/commands/dashboard/press --message '{"command":"disconnect","seconds":2}'
`},
    ],
    observe: "Both show `offline`. After the crash its `ts` is that of the beginning of the connection; after the clean end it is that of leaving, and no will follows.",
    why: "With CONNECT a client leaves a will, which the broker publishes when the connection ends without DISCONNECT. DISCONNECT makes the broker forget it, so a device says `offline` itself before that.",
  },
  {
    number: 5,
    title: "Sessions",
    facts: {
      session_resumed: "Come back to a session, and get what was missed",
      session_answered: "Answer it by a command on the same connection",
    },
    steps: [
      "The controller answers alarms with commands. It makes a session, and leaves. The belt jams meanwhile:",
      {run: raw`python app.py controller --username controller --password-file scenarios/sandbox/controller.password --session persistent --seconds 1s
python app.py pub --username dashboard --password-file scenarios/sandbox/dashboard.password --qos 1 \
  --topic factory/commands/dashboard/conveyor --message '{"command":"inject","fault":"jam","severity":1.2}'
python app.py sub --topic 'factory/alarms/conveyor/current' --qos 1 --count 1 --seconds 50s
python app.py controller --username controller --password-file scenarios/sandbox/controller.password --session persistent --seconds 2s
`},
      "The same without a session: there is smoke in the hall meanwhile. At the end the belt is started again by hand:",
      {run: raw`python app.py controller --username controller --password-file scenarios/sandbox/controller.password --session clean --seconds 1s
python app.py pub --username dashboard --password-file scenarios/sandbox/dashboard.password --qos 1 \
  --topic factory/commands/dashboard/env_station --message '{"command":"inject","fault":"smoke","severity":1.2}'
python app.py sub --topic 'factory/alarms/env_station/air_quality' --qos 1 --count 1 --seconds 50s
python app.py controller --username controller --password-file scenarios/sandbox/controller.password --session clean --seconds 2s
python app.py pub --username dashboard --password-file scenarios/sandbox/dashboard.password --qos 1 \
  --topic factory/commands/dashboard/conveyor --message '{"command":"start","reason":"checked"}'
python app.py sub --topic factory/state/conveyor --contains running --qos 1 --count 1 --seconds 20s
`},
    ],
    observe: "With a session the alarm that came in its absence is answered within a second. Without one the alarm of the smoke is never answered.",
    why: "A session holds subscriptions and what waits for them. CONNACK says whether there is one (`session_present`). Clean Start deletes it, and Session Expiry Interval limits how long it waits.",
  },
  {
    number: 6,
    title: "Access control",
    facts: {publish_refused: "Have a message refused", subscribe_refused: "Have a subscription refused"},
    steps: [
      {run: raw`python app.py bad-actor && echo "exit code $?"
python app.py pub --topic factory/state/press --message '{"state":"idle"}' --qos 1 || echo "exit code $?"
python app.py pub --username controller --password-file scenarios/sandbox/controller.password --qos 1 \
  --topic factory/commands/dashboard/press --message '{"command":"stop"}' || echo "exit code $?"
python app.py pub --username pump --password-file scenarios/sandbox/pump.password --qos 1 \
  --topic factory/telemetry/pump/flow --message '{"device_id":"pump","value":7.5}'
`},
      "The log shows what the broker refuses, if it has more lines: end the sandbox by Ctrl-C, start it so, and run `bad-actor` again.",
      {run: raw`make sandbox ARGS="--log-level debug"
`},
    ],
    observe: "A client without a login may read the plant's topics, and publish below `classroom/` only; the controller may not publish as the dashboard; `pump` may publish to its topics.",
    why: "The rules are about who has logged in. A client id proves nothing: anybody can connect as `controller`. At QoS 0 there is no answer, so a refused message is only missed.",
  },
  {
    number: 7,
    title: "Faults and alarms",
    facts: {alarm: "An alarm is published", alarm_got: "Get an alarm"},
    steps: [
      "The plant's file says how often devices have faults; it is read again when it changes.",
      {run: raw`sed -i 's/&often [0-9.]*/\&often 0.005/' scenarios/sandbox.yaml
python app.py sub --topic 'factory/alarms/#' --qos 1 --count 1 --seconds 50s
sed -i 's/&often [0-9.]*/\&often 0.2/' scenarios/sandbox.yaml
`},
    ],
    observe: "There is an alarm every few seconds, and one for each fault, though many values are beyond the limit.",
    why: "An alarm has hysteresis: two values have to be beyond the limit to raise it, and one well inside to end it. An alarm for each value would be a second telemetry.",
  },
  {
    number: 8,
    title: "A new token on the wire",
    facts: {auth_renewed: "A client renews its token by AUTH, and stays connected"},
    steps: [
      "The devices log in with a token that lasts 30 s here. Start the sandbox with more lines in the log:",
      {run: raw`make sandbox ARGS="--log-level debug"
`},
      "Meanwhile, in another terminal:",
      {run: raw`python app.py sub --topic 'factory/status/+' --live --qos 1 --seconds 30s
`},
    ],
    observe: "`sent AUTH` and `received AUTH` come every 24 s for each connection. In the other terminal nothing is printed in half a minute: no device goes offline.",
    why: "In MQTT 5 a client can authenticate again by AUTH with reason 0x19 (4.12.1). Without that, each token would cost a reconnect.",
  },
  {
    number: 9,
    title: "Receive Maximum",
    facts: {receive_maximum: "As many messages wait for PUBACK as Receive Maximum allows"},
    steps: [
      "A factory of another kind publishes at the same broker, as fast as it can. It would have up to 100 messages in flight. Ctrl-C ends it:",
      {run: raw`python app.py run --mqtt-auth-method none --mqtt-topic-prefix classroom --http-port 0 --mqtt-window 100 --speed max --duration 10m \
  --mqtt-broker localhost --mqtt-port 1883 --no-mqtt-tls --message-config-path scenarios/energy.yaml
`},
    ],
    observe: "`window=20` in its log, and not 100.",
    why: "CONNACK says how many messages of QoS 1 the broker takes before it has acknowledged one (3.2.2.3.3). A client can say the same in CONNECT: so neither side is buried by the other.",
  },
  {
    number: 10,
    title: "Shared subscriptions",
    facts: {shared: "Two members of a shared subscription get a message each"},
    steps: [
      {run: raw`python app.py sub --client-id ann --topic '$share/team/factory/telemetry/#' --count 12 > ann.txt &
python app.py sub --client-id bob --topic '$share/team/factory/telemetry/#' --count 12 > bob.txt
wait
echo "both: $(cut -d' ' -f3- ann.txt bob.txt | sort | uniq -d | wc -l), ann: $(wc -l < ann.txt), bob: $(wc -l < bob.txt)"
`},
    ],
    observe: "Each message is in one of the files, none in both.",
    why: "To the broker `$share/team/...` is one subscription, whose members take turns (4.8.2). So one consumer becomes several without a change to any publisher.",
  },
];

/** Concepts: name, what it is in a sentence, and the facts of which any lights it. */
export const CONCEPTS = [
  ["QoS 0", "At most once: sent, and not kept for who is away.", "qos_0"],
  ["QoS 1", "At least once: sent again until it is acknowledged by PUBACK.", "qos_1"],
  ["Retained", "The last message of a topic, kept for those who subscribe later.", "retained_got"],
  ["Will", "A message that the broker publishes when a connection breaks.", "will_published"],
  ["Session", "What the broker keeps of a client while it is away.", "session_resumed"],
  ["ACL", "Who may publish and read which topics; 0x87 is the refusal.", "publish_refused", "subscribe_refused"],
  ["AUTH renewal", "A new token on the connection that is there, without a reconnect.", "auth_renewed"],
  ["Alarm", "Raised once when a value reaches its limit, and not for each value.", "alarm"],
  ["Command", "A message to a machine, from who may send it.", "command"],
  ["Wildcard", "`+` is one level of a topic, `#` all that are left.", "wildcard_plus", "wildcard_hash"],
  ["Shared subscription", "Several clients take turns as one subscriber.", "shared"],
  ["Receive Maximum", "How many messages of QoS 1 may be unacknowledged.", "receive_maximum"],
];

export const GLOSSARY = [
  ["broker", "The server to which all clients connect. It knows topics, and nothing of what is in a message."],
  ["client id", "The name of a connection. A second client with the same one ends the first."],
  ["topic, filter", "Where a message is published, and what a subscription asks for."],
  ["QoS", "How a message is delivered: 0 at most once, 1 at least once, 2 exactly once (not offered here)."],
  ["PUBACK, SUBACK", "The answers to a message at QoS 1, and to a subscription, with a reason code in MQTT 5."],
  ["retained message", "The last one of its topic, kept for those who subscribe later."],
  ["last will", "The message that a client leaves with the broker, for the case that its connection breaks."],
  ["session", "What the broker keeps of a client: subscriptions, and messages at QoS 1 that wait for it."],
  ["keep-alive", "The longest silence of a client. After one and a half of it the broker ends the connection."],
  ["access control", "Which client may publish and read which topics."],
];
