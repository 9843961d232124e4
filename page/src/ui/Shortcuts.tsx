/** All keyboard shortcuts. */

import { Dialog } from "./Dialog";
import { GUIDE } from "./keys";

export function Shortcuts({ close }: { close(): void }) {
  return (
    <Dialog title="Keyboard shortcuts" class="shortcuts" close={close}>
      <div class="shortcut-groups">
        {GUIDE.map((group) => (
          <section key={group.where}>
            <h3>{group.where}</h3>
            <dl>
              {group.keys.map(({ keys, says }) => (
                <div key={says}>
                  <dt>
                    {keys.map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{says}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
