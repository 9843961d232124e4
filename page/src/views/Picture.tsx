/** The reader's own picture before the model: what it predicts and why, what fires, and the prediction without it. */

import { useEffect, useState } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import { useOwn } from "../own/ask";
import type { Own } from "../own/figures";
import { Components } from "../own/Components";
import { Drivers } from "../own/Drivers";
import { HeatOver } from "../own/HeatOver";
import { Prediction } from "../own/Prediction";
import { SimilarImages } from "../own/SimilarImages";
import { Without } from "../own/Without";
import { Await } from "../ui/Await";
import { asked, chooseFile } from "../ui/imageQuery";

export function PictureView() {
  const store = useStore();
  const index = store.index.value;
  const image = store.param("image");
  useEffect(() => {
    if (index.info.own) void store.transport.get(index.at("own/ready")).catch(() => undefined); // the model loads while a picture is chosen
  }, [index]);
  return (
    <article class="own-view">
      <h1>Your picture</h1>
      <p class="explains">
        What <bdi>{index.info.model}</bdi> makes of a picture of yours: what it predicts, which components fire and which of them moved the prediction, where they look, and what it predicts without them.
      </p>
      {!index.info.own ? (
        <p class="absent">The model is not at hand, so it cannot look at a picture: start the server with `semlens serve INDEX --model MODEL`. A picture that you drop is still searched for among the components.</p>
      ) : !image ? (
        <Drop />
      ) : (
        <Looked key={`${index.number} ${image}`} index={index} image={image} />
      )}
    </article>
  );
}

function Drop() {
  const store = useStore();
  return (
    <div class="drop-zone">
      <p>Drop a picture anywhere on this page, paste one, or choose a file.</p>
      <button type="button" class="button primary" onClick={() => chooseFile(store)}>
        Choose a picture
      </button>
      <p class="soft">JPEG, PNG or WebP. It goes to the server on your own machine, is kept in its memory only, and is forgotten when the server ends.</p>
    </div>
  );
}

function Looked({ index, image }: { index: Indexed; image: string }) {
  const store = useStore();
  const found = useOwn(index, image, store.param("output"));
  const layers = index.info.layers.filter((one) => !one.outputs && one.stop > one.start);
  const layer = layers.find((one) => one.layer === store.param("of")) ?? layers[layers.length - 1];
  const [off, setOff] = useState<number[]>([]);
  const toggle = (rows: number[]) => setOff((now) => (rows.every((row) => now.includes(row)) ? now.filter((row) => !rows.includes(row)) : [...new Set([...now, ...rows])]));
  const known = asked.value?.id === image ? asked.value.address : null;
  return (
    <div class="own">
      <div class="own-side">
        {found?.state === "ready" ? (
          <HeatOver index={index} image={image} output={found.value.output} row={null} plain={known} says={`What moved “${nameOf(found.value)}”: the stronger the colour, the more of it`} />
        ) : (
          known && <img class="own-picture" src={known} alt="Your picture" />
        )}
        <button type="button" class="button" onClick={() => chooseFile(store)}>
          Another picture
        </button>
        {found?.state === "ready" && <Without index={index} image={image} own={found.value} off={off} toggle={toggle} clear={() => setOff([])} />}
      </div>
      <div class="own-main">
        {found && (
          <Await of={found} what="Your picture">
            {(own) => (
              <>
                <Prediction own={own} choose={(output) => store.place.set({ output }, true)} />
                {layer && (
                  <>
                    <Drivers index={index} own={own} layer={layer} layers={layers} off={off} toggle={toggle} />
                    <Components index={index} image={image} own={own} layer={layer} off={off} toggle={toggle} />
                  </>
                )}
              </>
            )}
          </Await>
        )}
        <SimilarImages index={index} image={image} />
      </div>
    </div>
  );
}

export function nameOf(own: Own): string {
  return own.names[own.output]!;
}
