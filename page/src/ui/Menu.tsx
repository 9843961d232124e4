/** A button with a panel below it, which Esc, a click elsewhere or the focus leaving closes. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./Icon";

export function Menu({ name, value, children }: { name: string; value: ComponentChildren; children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  const whole = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    const elsewhere = (event: Event) => !whole.current?.contains(event.target as Node) && setOpen(false);
    document.addEventListener("pointerdown", elsewhere);
    document.addEventListener("focusin", elsewhere);
    return () => {
      document.removeEventListener("pointerdown", elsewhere);
      document.removeEventListener("focusin", elsewhere);
    };
  }, [open]);
  const escape = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !open) return;
    event.stopPropagation();
    setOpen(false);
    button.current?.focus();
  };
  return (
    <div class="menu" ref={whole} onKeyDown={escape}>
      <button ref={button} type="button" class="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class="soft">{name}</span> {value}
        <Icon name="down" />
      </button>
      {open && <div class="menu-panel">{children}</div>}
    </div>
  );
}
