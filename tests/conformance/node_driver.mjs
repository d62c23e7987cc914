// The official Node SDK, unchanged, called from another process; the folder with its node_modules is the argument.
//
// Speaks as python_driver.py does. Bodies become the SDK's typed objects before they are sent, and answers are read
// back through the typed objects, so that a member which the SDK does not know is not in `value`.

import { createReadStream } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const sdk = createRequire(process.argv[2] + "/")("klaviyo-api");
const { ObjectSerializer } = createRequire(process.argv[2] + "/")("klaviyo-api/dist/model/models");
const groups = Object.entries(sdk).filter(([name]) => name.endsWith("Api")).map(([, group]) => group);

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => "_" + letter.toLowerCase());
const methods = new Map(
  groups.flatMap((group) =>
    Object.getOwnPropertyNames(group.prototype)
      .filter((name) => name !== "constructor" && typeof Object.getOwnPropertyDescriptor(group.prototype, name).value === "function")
      .map((name) => [snake(name), { group, name }]),
  ),
);

const clients = new Map();
function client(group, { base_url, key }) {
  const name = [group.name, base_url, key].join(" ");
  if (!clients.has(name)) {
    const session = new sdk.ApiKeySession(key, new sdk.RetryWithExponentialBackoff({ numRetries: 0 }));
    const made = new group(session);
    made.basePath = base_url;
    clients.set(name, made);
  }
  return clients.get(name);
}

// Required query parameters come by position here, and by keyword in Python.
function positional(method, given, options) {
  const names = method.toString().match(/\(([^)]*)\)/)[1].split(",").map((one) => one.trim().split(" ")[0]);
  return names.map((name) => {
    if (name === "options") return options;
    if (name in options) return options[name];
    if (name === "file") return createReadStream(given.shift());
    const value = given.shift();
    return typeof value === "object" ? ObjectSerializer.deserialize(value, name[0].toUpperCase() + name.slice(1)) : value;
  });
}

// What a user of the typed object sees, under the names of the wire.
function seen(value) {
  if (Array.isArray(value)) return value.map(seen);
  if (value instanceof Date) return value.toISOString();
  const known = value?.constructor?.getAttributeTypeMap?.();
  if (known) return Object.fromEntries(known.map(({ name, baseName }) => [baseName, seen(value[name])]));
  return value;
}

async function answer(asked) {
  const { group, name } = methods.get(asked.operation);
  const options = Object.fromEntries(Object.entries(asked.options).map(([one, value]) => [camel(one), value]));
  try {
    const { body } = await client(group, asked)[name](...positional(group.prototype[name], asked.arguments, options));
    return { type: body?.constructor?.name ?? "NoneType", value: seen(body) ?? null };
  } catch (error) {
    if (error.response?.data?.errors) return { status: error.response.status, errors: error.response.data.errors };
    return { raised: error.stack };
  }
}

console.log(JSON.stringify([...methods.keys()].sort()));
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await answer(JSON.parse(line))));
