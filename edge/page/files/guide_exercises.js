/** The exercises of docs/sandbox.md, with its commands, and the facts that tick them. A test compares both. */

const raw = String.raw;

export const START = raw`. .venv/bin/activate
export MQTT_PORT=1883
`;

/** Machines whose ids the commands name: those of the sandbox. */
export const DEVICES = ["conveyor", "robot_arm", "press", "env_station"];

const DASHBOARD = "--username dashboard --password-file scenarios/sandbox/dashboard.password --qos 1";
const CONTROLLER = "--username controller --password-file scenarios/sandbox/controller.password";

/** facts: name of each fact that ticks an exercise, and what it says.  steps: text, or commands in a list. */
export const EXERCISES = [
  {
    title: "Wildcards",
    facts: {wildcard_plus: "Subscribe to a filter with `+`", wildcard_hash: "Subscribe to a filter with `#`"},
    steps: [
      [raw`python app.py sub --topic 'factory/telemetry/+/temperature' --count 8
python app.py sub --topic 'factory/+/robot_arm/#' --qos 1 --count 6
`],
    ],
    observe: "Three devices, and not the hall's, whose sensor is `ambient_temp`; then topics of three and of four levels.",
    why: "`+` is exactly one level, `#` all that are left, also none. A topic tree is the index of a plant.",
  },
  {
    title: "QoS",
    facts: {
      qos_both: "Get QoS 0 and QoS 1 on one connection",
      qos_kept: "Come back to what was kept at QoS 1; what was sent at QoS 0 is gone",
    },
    steps: [
      "An observer listens for a moment and leaves. Its session stays at the broker.",
      [raw`python app.py observe --session persistent --topic 'factory/+/press/vibration' --count 2
`],
      "While it is away the press gets a loose frame. Another subscriber waits for the alarm; then the observer is back.",
      [raw`python app.py pub ${DASHBOARD} \
  --topic factory/commands/dashboard/press --message '{"command":"inject","fault":"loose_frame","severity":1.2}'
python app.py sub --topic 'factory/alarms/press/vibration' --qos 1 --count 1 --seconds 50s
python app.py observe --session persistent --topic 'factory/+/press/vibration' --count 3
`],
    ],
    observe: "The alarm is there although nobody listened. Of the telemetry, `seq` jumps: those values are gone.",
    why: "A message is delivered at the lower QoS of publisher and subscription. Telemetry is published at 0, at most once; alarms at 1, at least once.",
  },
  {
    title: "Retained messages",
    facts: {
      retained_got: "Get a retained message on subscribing",
      retained_left: "Leave one of your own",
      retained_deleted: "Delete it by an empty one",
    },
    steps: [
      [raw`python app.py sub --topic 'factory/status/+' --topic 'factory/state/+' --retained --qos 1 --count 8
python app.py pub --topic classroom/note --message back_at_ten --retain --qos 1
python app.py sub --topic 'classroom/#' --retained --count 1 --seconds 10s
python app.py pub --topic classroom/note --message= --retain --qos 1
`],
    ],
    observe: "Eight messages at once, though they were published before.",
    why: "The broker keeps the last retained message of each topic for new subscribers: a dashboard that has just begun knows how things are.",
  },
  {
    title: "Last will",
    facts: {
      will_published: "A connection breaks: the broker publishes its will",
      will_forgotten: "A connection ends cleanly: the broker forgets its will",
    },
    steps: [
      "Two terminals. The first one watches:",
      [raw`# another terminal
python app.py sub --topic factory/status/press --qos 1 --count 3
`],
      "The other cuts the connection of the press, as a power failure would:",
      [raw`python app.py pub ${DASHBOARD} \
  --topic factory/commands/dashboard/press --message '{"command":"crash"}'
`],
      "Now a clean end. Watch again, and have the press leave for two seconds:",
      [raw`# another terminal
python app.py sub --topic factory/status/press --qos 1 --count 3
`],
      [raw`python app.py pub ${DASHBOARD} \
  --topic factory/commands/dashboard/press --message '{"command":"disconnect","seconds":2}'
`],
    ],
    observe: "Both show `offline`. Its `ts` is the beginning of the connection after the crash, and the time of leaving after the clean end.",
    why: "With CONNECT a client leaves a will, published when the connection ends without DISCONNECT. DISCONNECT makes the broker forget it, so a device sends `offline` itself before.",
  },
  {
    title: "Sessions",
    facts: {
      session_resumed: "Come back to a session, and get what was missed",
      session_answered: "Answer it by a command on the same connection",
    },
    steps: [
      "The controller answers alarms with commands. It makes a session, and leaves. The belt jams meanwhile:",
      [raw`python app.py controller ${CONTROLLER} --session persistent --seconds 1s
python app.py pub ${DASHBOARD} \
  --topic factory/commands/dashboard/conveyor --message '{"command":"inject","fault":"jam","severity":1.2}'
python app.py sub --topic 'factory/alarms/conveyor/current' --qos 1 --count 1 --seconds 50s
python app.py controller ${CONTROLLER} --session persistent --seconds 2s
`],
      "The same without a session: there is smoke in the hall meanwhile. At the end the belt is started again by hand:",
      [raw`python app.py controller ${CONTROLLER} --session clean --seconds 1s
python app.py pub ${DASHBOARD} \
  --topic factory/commands/dashboard/env_station --message '{"command":"inject","fault":"smoke","severity":1.2}'
python app.py sub --topic 'factory/alarms/env_station/air_quality' --qos 1 --count 1 --seconds 50s
python app.py controller ${CONTROLLER} --session clean --seconds 2s
python app.py pub ${DASHBOARD} \
  --topic factory/commands/dashboard/conveyor --message '{"command":"start","reason":"checked"}'
python app.py sub --topic factory/state/conveyor --contains running --qos 1 --count 1 --seconds 20s
`],
    ],
    observe: "With a session the alarm that came in its absence is answered within a second. Without one the alarm of the smoke is never answered.",
    why: "A session holds subscriptions and what waits for them. CONNACK says whether there is one (`session_present`); Clean Start deletes it.",
  },
  {
    title: "Access control",
    facts: {publish_refused: "Have a message refused", subscribe_refused: "Have a subscription refused"},
    steps: [
      [raw`python app.py bad-actor && echo "exit code $?"
python app.py pub --topic factory/state/press --message '{"state":"idle"}' --qos 1 || echo "exit code $?"
python app.py pub ${CONTROLLER} --qos 1 \
  --topic factory/commands/dashboard/press --message '{"command":"stop"}' || echo "exit code $?"
python app.py pub --username pump --password-file scenarios/sandbox/pump.password --qos 1 \
  --topic factory/telemetry/pump/flow --message '{"device_id":"pump","value":7.5}'
`],
      "To see refusals in the log, end the sandbox by Ctrl-C, start it so (the ticks begin anew), and run `bad-actor` again:",
      [raw`make sandbox ARGS="--log-level debug"
`],
    ],
    observe: "Without a login a client may read, and publish below `classroom/` only; the controller may not publish as the dashboard; `pump` may publish to its topics.",
    why: "The rules are about who has logged in; a client id proves nothing. At QoS 0 there is no answer: a refused message is only missed.",
  },
  {
    title: "Faults and alarms",
    facts: {alarm: "An alarm is published", alarm_got: "Get an alarm"},
    steps: [
      "The plant's file says how often devices have faults; it is read again when it changes.",
      [raw`sed -i 's/&often [0-9.]*/\&often 0.005/' scenarios/sandbox.yaml
python app.py sub --topic 'factory/alarms/#' --qos 1 --count 1 --seconds 50s
sed -i 's/&often [0-9.]*/\&often 0.2/' scenarios/sandbox.yaml
`],
    ],
    observe: "There is an alarm every few seconds, and one for each fault, though many values are beyond the limit.",
    why: "An alarm has hysteresis: two values beyond the limit raise it, and one well inside ends it.",
  },
  {
    title: "A new token on the wire",
    facts: {auth_renewed: "A client renews its token by AUTH, and stays connected"},
    steps: [
      "The devices log in with a token that lasts 30 s here. Start the sandbox with more lines in the log:",
      [raw`make sandbox ARGS="--log-level debug"
`],
      "Meanwhile, in another terminal:",
      [raw`python app.py sub --topic 'factory/status/+' --live --qos 1 --seconds 30s
`],
    ],
    observe: "AUTH goes both ways every 24 s for each connection. In the other terminal nothing is printed: no device goes offline.",
    why: "In MQTT 5 a client can authenticate again by AUTH (4.12.1). Without that, each token would cost a reconnect.",
  },
  {
    title: "Receive Maximum",
    facts: {receive_maximum: "As many messages wait for PUBACK as Receive Maximum allows"},
    steps: [
      "A factory of another kind publishes at the same broker, as fast as it can. It would have up to 100 messages in flight. Ctrl-C ends it:",
      [raw`python app.py run --mqtt-auth-method none --mqtt-topic-prefix classroom --http-port 0 --mqtt-window 100 --speed max --duration 10m \
  --mqtt-broker localhost --mqtt-port 1883 --no-mqtt-tls --message-config-path scenarios/energy.yaml
`],
    ],
    observe: "`window=5` in its log, and not 100.",
    why: "CONNACK says how many messages of QoS 1 the broker takes before it has acknowledged one; CONNECT says the same of a client. Neither side is buried by the other.",
  },
  {
    title: "Shared subscriptions",
    facts: {shared: "Two members of a shared subscription get a message each"},
    steps: [
      [raw`python app.py sub --client-id ann --topic '$share/team/factory/telemetry/#' --count 12 > ann.txt &
python app.py sub --client-id bob --topic '$share/team/factory/telemetry/#' --count 12 > bob.txt
wait
echo "both: $(cut -d' ' -f3- ann.txt bob.txt | sort | uniq -d | wc -l), ann: $(wc -l < ann.txt), bob: $(wc -l < bob.txt)"
`],
    ],
    observe: "Each message is in one of the files, none in both.",
    why: "To the broker `$share/team/...` is one subscription, whose members take turns (4.8.2).",
  },
];

/** Concepts: name, what it is, and the facts of which any lights it. */
export const CONCEPTS = [
  ["QoS 0", "Delivered at most once; not kept for who is away.", "qos_0"],
  ["QoS 1", "Delivered at least once: sent again until PUBACK.", "qos_1"],
  ["Retained message", "The last one of its topic, kept for those who subscribe later.", "retained_got"],
  ["Last will", "A message that the broker publishes when a connection breaks.", "will_published"],
  ["Session", "What the broker keeps of a client while it is away.", "session_resumed"],
  ["Access control", "Who may publish and read which topics; 0x87 is the refusal.", "publish_refused", "subscribe_refused"],
  ["AUTH renewal", "A new token on the connection that is there.", "auth_renewed"],
  ["Alarm", "Published once when a value reaches its limit.", "alarm"],
  ["Command", "A message to a machine, from who may send it.", "command"],
  ["Wildcard", "`+` is one level of a topic, `#` all that are left.", "wildcard_plus", "wildcard_hash"],
  ["Shared subscription", "Several clients take turns as one subscriber.", "shared"],
  ["Receive Maximum", "How many messages of QoS 1 may be unacknowledged.", "receive_maximum"],
];

/** The other terms of the glossary. */
export const TERMS = [
  ["broker", "The server to which all clients connect. It knows topics, and nothing of what is in a message."],
  ["client id", "The name of a connection. A second client with the same one ends the first."],
  ["topic, filter", "Where a message is published, and what a subscription asks for."],
  ["PUBACK, SUBACK", "The answers to a message at QoS 1, and to a subscription."],
  ["keep-alive", "The longest silence of a client; after one and a half of it the broker ends the connection."],
];
