// What is known of the plant's machine types, and of one machine: followed for as long as a view is there.

const CONFIGURING = new Set(["scale", "rate", "enable", "disable", "reload"]);

/**
 * Return {now, watch(id), end()}. changed: called with the newest messages of the machine, where there are any.
 * now: {overview, types, events, id, machine, type, error}; error: why there is no machine.
 */
export function follow({live, api, announce}, changed) {
  const now = {overview: live.overview, types: [], events: [], id: null, machine: null, type: null, error: null};
  let known = null;

  function tell(messages) {
    now.overview = live.overview;
    now.type = now.types.find((each) => each.machine_type === now.machine?.machine_type) ?? null;
    changed(messages);
  }

  /** Ask for the types again whenever the plant has changed. */
  async function look() {
    const {machines, journal} = live.overview ?? {};
    const state = `${machines} ${journal?.find(({command}) => CONFIGURING.has(command.command))?.number}`;
    if (live.overview === null || state === known) return;
    known = state;
    try {
      const {machine_types: types, events} = await api.get("/api/v1/machine-types");
      Object.assign(now, {types, events});
      tell();
    } catch (error) {
      known = null;
      announce(`Machine types: ${error.detail}`);
    }
  }

  const heard = {
    overview() {
      look();
      tell();
    },
    machine({detail}) {
      if (now.id === null || (detail.machine && detail.machine.machine_id !== now.id)) return; // of the one before
      now.machine = detail.machine;
      now.error = detail.machine ? null : detail.error;
      tell(detail.messages);
    },
    refused({detail}) {
      now.error = detail.detail;
      tell();
    },
  };
  Object.entries(heard).forEach(([name, listener]) => live.addEventListener(name, listener));
  look();
  return {
    now,
    watch(id) {
      Object.assign(now, {id, machine: null, error: null});
      live.watch({machine: id});
      tell();
    },
    end() {
      Object.entries(heard).forEach(([name, listener]) => live.removeEventListener(name, listener));
    },
  };
}
