/** A dialog above the page: Esc and a click beside it close it, the focus stays within and goes back. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./Icon";

export interface DialogProps {
  title: ComponentChildren;
  class?: string;
  close(): void;
  onKeyDown?(event: KeyboardEvent): void;
  children: ComponentChildren;
}

export function Dialog({ title, class: look = "", close, onKeyDown, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current!;
    shown.showModal();
    return () => {
      shown.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const beside = (event: MouseEvent) => event.target === dialog.current && close();
  return (
    <dialog ref={dialog} class={`dialog ${look}`} aria-label={typeof title === "string" ? title : undefined} onCancel={(event) => (event.preventDefault(), close())} onClick={beside} onKeyDown={onKeyDown}>
      <div class="dialog-inside">
        <div class="dialog-head">
          <h2>{title}</h2>
          <button type="button" class="bare-button" aria-label="Close" title="Close (Esc)" onClick={close}>
            <Icon name="clear" />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}
