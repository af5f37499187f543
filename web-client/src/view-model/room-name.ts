/** Random integer in 0…(limit - 1). */
export type Pick = (limit: number) => number;

const MANNERS =
  "amber brisk calm candid clever cosy crisp dapper eager early gentle glad golden hazel humble jolly keen kind lively lucky mellow merry misty noble open patient plain polite proud quick quiet ready rosy silver sincere snowy solid sunny swift tidy velvet warm wise witty young";
const PLACES =
  "alcove arbor attic balcony bay bridge cabin canal cellar chapel cliff cloister cottage court cove dune fjord forest garden gate glade grotto grove harbour hearth hill island lagoon lantern library loft meadow mill moor nook orchard parlour pavilion pier porch quay ridge river shore study terrace tower valley veranda";
const BEINGS =
  "badger beaver bison bittern blackbird bluejay chamois crane curlew dipper dormouse eider falcon ferret finch fox gannet goldfinch grouse hare hedgehog heron ibex ibis jackdaw kestrel kingfisher lapwing lark linnet lynx magpie marten merlin nightjar osprey otter owl partridge pelican plover puffin raven robin sandpiper siskin starling stoat stork swallow swift tern thrush vole wagtail warbler weasel wren";

const words = (list: string): readonly string[] => list.split(" ");

/** A name of four words that is easy to say, and of which there are enough that nobody walks in by guessing soon. */
export function suggestRoomName(pick: Pick): string {
  const one = (list: string): string => {
    const choices = words(list);
    return choices[pick(choices.length)] ?? "";
  };
  return [one(MANNERS), one(BEINGS), one(MANNERS), one(PLACES)].join("-") + `-${100 + pick(900)}`;
}

/** The browser's own randomness, without modulo bias. */
export const browserPick: Pick = (limit) => {
  const bound = Math.floor(0x1_0000_0000 / limit) * limit;
  const cell = new Uint32Array(1);
  let value: number;
  do {
    crypto.getRandomValues(cell);
    value = cell[0] ?? 0;
  } while (value >= bound);
  return value % limit;
};
