/** Twenty queries that no caption was made from, each with the names of the emoji that answer it. */
export interface Query {
  readonly text: string;
  readonly answer: RegExp;
}

export const QUERIES: readonly Query[] = [
  { text: 'a red fruit', answer: /^(strawberry|cherries|red apple|tomato|watermelon)$/ },
  {
    text: 'an animal with stripes',
    answer: /^(tiger|tiger face|zebra|honeybee|badger|skunk|chipmunk|raccoon|tropical fish)$/,
  },
  {
    text: 'something to drink',
    answer:
      /beverage|teacup|teapot|beer|wine|cocktail|drink|milk|juice|with straw|bubble tea|sake|^mate$|clinking|tumbler|bottle/,
  },
  {
    text: 'a happy face',
    answer: /grinning|smil|beaming|joy|laughing|star-struck|partying|hugging|savoring|rolling on/,
  },
  { text: 'winter', answer: /snow|ski|skate|sled|scarf|gloves|cold face|christmas|santa|claus|^ice$/ },
  {
    text: 'a vehicle with four wheels',
    answer:
      /automobile|\bcar$|taxi|truck|van$|minibus|\bbus$|trolleybus|ambulance|fire engine|sport utility|tractor/,
  },
  {
    text: 'food for breakfast',
    answer: /pancakes|waffle|bacon|\begg$|croissant|bagel|bread|butter$|bowl with spoon|cooking|milk/,
  },
  { text: 'a yellow flower', answer: /sunflower|blossom|hyacinth|lotus|bouquet|rosette|tulip/ },
  {
    text: 'an insect',
    answer: /^(bug|butterfly|ant|honeybee|beetle|lady beetle|cricket|fly|mosquito|worm|cockroach)$/,
  },
  {
    text: 'a musical instrument',
    answer: /guitar|violin|trumpet|saxophone|drum|banjo|accordion|musical keyboard|maracas|flute|harp/,
  },
  { text: 'a sad person crying', answer: /cry|sad|tear|pensive|frown|disappointed|worried/ },
  {
    text: 'a sea creature',
    answer: /fish$|whale|dolphin|octopus|shark|crab|lobster|squid|shrimp|seal|coral|shell$|turtle/,
  },
  { text: 'something to wear on your feet', answer: /shoe|boot|sock|sandal|slipper|flip-flop|ballet|skate/ },
  { text: 'a house', answer: /house|home|\bhut\b|castle|building|derelict/ },
  {
    text: 'outer space',
    answer: /rocket|planet|\bstar\b|moon|telescope|satellite|saucer|comet|milky|^sun|astronaut|alien/,
  },
  { text: 'love and romance', answer: /heart|kiss|love|rose$|couple|^ring$|cupid/ },
  {
    text: 'a sport played with a ball',
    answer: /ball$|soccer|tennis|golf|cricket game|bowling|lacrosse|hockey|ping pong/,
  },
  { text: 'a big cat', answer: /^(lion|tiger|leopard|tiger face)$/ },
  { text: 'a green vegetable', answer: /broccoli|cucumber|leafy|avocado|bell pepper|pea pod|olive/ },
  {
    text: 'a scientist in a laboratory',
    answer: /scientist|microscope|test tube|petri|alembic|^dna$|lab coat|goggles/,
  },
];
