// A subscriber by MQTT.js: prints a line of JSON when it is subscribed, and one for each message.
//
// Called as: node reader.js FOLDER '{"url", "version": 4 or 5, "filters", "name", "password"}'; ends with its input.
"use strict";

const path = require("node:path");
const [folder, text] = process.argv.slice(2);
const wanted = JSON.parse(text);
const mqtt = require(path.join(folder, "node_modules", "mqtt"));

function say(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

const client = mqtt.connect(wanted.url, {
  protocolVersion: wanted.version,
  username: wanted.name ?? undefined,
  password: wanted.password ?? undefined,
  clientId: `mqttjs-${process.pid}`,
  reconnectPeriod: 0,
});
client.on("connect", () =>
  client.subscribe(wanted.filters, { qos: 1 }, (error, granted) =>
    say({ subscribed: error ? String(error) : granted.map(({ qos }) => qos) }),
  ),
);
client.on("message", (topic, payload, packet) =>
  say({ topic, payload: payload.toString("base64"), qos: packet.qos, retain: packet.retain }),
);
client.on("error", (error) => say({ failed: String(error) }));
process.stdin.on("end", () => client.end(true, () => process.exit(0))).resume();
