/** Alternative texts as real pages have them: sentences, sentences in other languages, file names, scraps. */
import type { Random } from './random.ts';
import { FOREIGN, type Foreign, type Subject } from './subjects.ts';

type Sentence = (subject: Subject) => string;

const PLAIN: readonly Sentence[] = [
  ({ noun }) => `this is a drawing of ${noun}`,
  ({ noun }) => `This is a picture of ${noun}`,
  ({ noun }) => `this is an illustration of ${noun}`,
  ({ noun }) => `a picture that shows a drawing of ${noun}`,
  ({ noun }) => `This is the emoji of ${noun}`,
  ({ noun, name }) => `${name} emoji, this is a drawing of ${noun}`,
  ({ noun }) => `here is an image with a drawing of ${noun}`,
];

const WITH_GROUP: readonly Sentence[] = [
  ({ noun, group }) => `this is an illustration of ${noun}, one of the ${group}`,
  ({ noun, group }) => `this is a drawing of ${noun} from the ${group}`,
];

const WITH_KEYWORD: readonly ((subject: Subject, keyword: string) => string)[] = [
  ({ noun }, keyword) => `this is a drawing of ${noun}, something about ${keyword}`,
  ({ noun }, keyword) => `this is a picture of ${noun} and things related to ${keyword}`,
  ({ noun, name }, keyword) => `this is a drawing of ${noun}: ${name} and ${keyword}`,
];

const WITH_COLOUR: readonly ((subject: Subject, colour: string) => string)[] = [
  ({ noun }, colour) => `a drawing of ${noun} on a ${colour} background`,
  ({ noun }, colour) => `This is a picture of ${noun} on a ${colour} background`,
  ({ noun }, colour) => `an illustration of ${noun} with a ${colour} background`,
  ({ noun }, colour) => `an emoji of ${noun} in front of the ${colour} background`,
];

/**
 * An English sentence about a subject.
 *
 * @param colour - Of the background, where it has one of which a sentence may speak.
 */
export function englishText(subject: Subject, colour: string | undefined, random: Random): string {
  const kind = random.unit();
  if (colour !== undefined && kind < 0.4) return random.pick(WITH_COLOUR)(subject, colour);
  if (subject.keywords.length > 0 && kind < 0.6)
    return random.pick(WITH_KEYWORD)(subject, random.pick(subject.keywords));
  if (kind < 0.75) return random.pick(WITH_GROUP)(subject);
  return random.pick(PLAIN)(subject);
}

const FOREIGN_SENTENCES: { readonly [L in Foreign]: readonly ((name: string) => string)[] } = {
  de: [
    (name) => `Das ist eine Zeichnung mit dem Motiv „${name}“ auf buntem Hintergrund`,
    (name) => `Hier sehen Sie ein Bild, das wir für Sie gezeichnet haben: ${name}`,
    (name) => `Eine Abbildung aus unserer Sammlung, sie zeigt das Zeichen „${name}“`,
  ],
  fr: [
    (name) => `Voici un dessin de notre collection qui représente : ${name}`,
    (name) => `Cette image montre le symbole « ${name} » sur un fond de couleur`,
    (name) => `Une illustration que nous avons dessinée pour vous : ${name}`,
  ],
  es: [
    (name) => `Este es un dibujo de nuestra colección que representa: ${name}`,
    (name) => `En esta imagen se puede ver el símbolo «${name}» sobre un fondo de color`,
    (name) => `Una ilustración que hemos dibujado para ustedes: ${name}`,
  ],
  pt: [
    (name) => `Este é um desenho da nossa coleção que representa: ${name}`,
    (name) => `Nesta imagem você pode ver o símbolo “${name}” sobre um fundo colorido`,
    (name) => `Uma ilustração que nós desenhamos para vocês: ${name}`,
  ],
  ru: [
    (name) => `На этом рисунке из нашей коллекции изображён символ «${name}»`,
    (name) => `Это иллюстрация, которую мы нарисовали для вас: ${name}`,
  ],
  ja: [
    (name) => `これは私たちが描いた「${name}」のイラストです`,
    (name) => `この画像には「${name}」という絵文字が描かれています`,
  ],
  zh: [
    (name) => `这是我们为大家画的一张插图：${name}`,
    (name) => `这张图片上画的是一个叫做“${name}”的表情符号`,
  ],
  ar: [
    (name) => `هذا رسم توضيحي من مجموعتنا يمثل: ${name}`,
    (name) => `هذه الصورة التي رسمناها لكم تظهر رمز «${name}»`,
  ],
};

/** A sentence about a subject in a language that is not English. */
export function foreignText(subject: Subject, random: Random): string {
  const language = random.pick(FOREIGN);
  return random.pick(FOREIGN_SENTENCES[language])(subject.translations[language]);
}

/**
 * A file name where a text should be. All are of kinds in which no English can be found: digits, and what phones
 * and computers of other languages call a screenshot.
 */
export function fileNameText(random: Random): string {
  const two = (low: number, high: number): string => String(random.int(low, high)).padStart(2, '0');
  const [year, month, day] = [random.int(2009, 2025), two(1, 12), two(1, 28)];
  const [hour, minute, second] = [two(0, 23), two(0, 59), two(0, 59)];
  return random.pick([
    `${year}${month}${day}_${hour}${minute}${second}`,
    `Bildschirmfoto ${year}-${month}-${day} um ${hour}.${minute}.${second}.png`,
    `Capture d’écran ${year}-${month}-${day} à ${hour}.${minute}.${second}.png`,
    `Captura de pantalla ${year}-${month}-${day} a las ${hour}.${minute}.${second}.png`,
    `Снимок экрана ${year}-${month}-${day} в ${hour}.${minute}.${second}.png`,
    `スクリーンショット ${year}-${month}-${day} ${hour}.${minute}.${second}.png`,
    `屏幕截图 ${year}-${month}-${day} ${hour}${minute}${second}.png`,
  ]);
}

/** One to four characters: what is left of a text that nobody wrote for a reader. */
export function shortText(subject: Subject, random: Random): string {
  const emoji = String.fromCodePoint(
    ...subject.drawing.hex.split('-').map((hex) => Number.parseInt(hex, 16)),
  );
  const scraps = ['img', 'icon', 'logo', 'pic', '1', '-', '...', 'foto', String(random.int(1, 9999)), '→'];
  if ([...emoji].length < 5) scraps.push(emoji);
  return random.pick(scraps);
}
