/**
 * For tests: hashes of what small fixed models with a condition of each kind draw and score, for any way of running the
 * engine, in Node and in browsers. Bits are API: they may only change together with the version that archives carry
 * (FREQUENCY_VERSION in codec/).
 */

import { createEngine, type EngineOptions } from "./engine.ts";
import {
  configOf,
  diagonalBilstmConfigOf,
  plainConfigOf,
  randomConditions,
  randomModel,
  randomPixels,
  rowLstmConfigOf,
} from "./naive.test-support.ts";

const SIZE = { height: 6, width: 9 };
const mapOf = (height: number, width: number, channels: number) => ({
  ...SIZE,
  condition: { kind: "map", height, width, channels, features: 6 },
});
const grey = { levels: 2, features: 16, skip: 16, depth: 4, dilations: [1, 2] };
const plainGrey = { levels: 2, features: 16, depth: 4, dilations: [1, 2] };
const recurrentGrey = { levels: 2, features: 16, depth: 3 };
const mixtureOf = (components: number) => ({ kind: "mixture", features: 6, components });
const classes = { kind: "class", classes: ["a", "b", "c", "d"] };

export const models = {
  classes: randomModel(configOf({ ...grey, condition: { kind: "class", classes: ["a", "b", "c", "d"] } }), 11),
  vector: randomModel(configOf({ channels: 3, levels: 256, condition: { kind: "vector", size: 5 } }), 12),
  "map of the image's size": randomModel(configOf({ levels: 8, ...mapOf(6, 9, 2) }), 13),
  "map of a quarter": randomModel(configOf({ ...grey, ...mapOf(2, 3, 2) }), 14),
  "map of one cell": randomModel(configOf({ channels: 3, skip: 0, ...mapOf(1, 1, 3) }), 15),
  "vector through m(h)": randomModel(
    configOf({ ...grey, ...SIZE, condition: { kind: "vector", size: 5, features: 6, scale: 1.5 } }),
    16,
  ),
  "plain, classes": randomModel(
    plainConfigOf({ ...plainGrey, condition: { kind: "class", classes: ["a", "b", "c", "d"] } }),
    17,
  ),
  "plain, colour, vector": randomModel(
    plainConfigOf({ channels: 3, levels: 256, condition: { kind: "vector", size: 5 } }),
    18,
  ),
  "plain, map of a quarter": randomModel(plainConfigOf({ ...plainGrey, ...mapOf(2, 3, 2) }), 19),
  "plain, colour, map of the image's size": randomModel(
    plainConfigOf({ channels: 3, levels: 8, ...mapOf(6, 9, 2) }),
    20,
  ),
  "row LSTM, classes": randomModel(rowLstmConfigOf({ ...recurrentGrey, condition: classes }), 21),
  "row LSTM, colour, vector": randomModel(
    rowLstmConfigOf({ channels: 3, levels: 256, condition: { kind: "vector", size: 5 } }),
    22,
  ),
  "row LSTM, map of a quarter": randomModel(rowLstmConfigOf({ ...recurrentGrey, ...mapOf(2, 3, 2) }), 23),
  "diagonal BiLSTM, classes": randomModel(diagonalBilstmConfigOf({ ...recurrentGrey, condition: classes }), 24),
  "diagonal BiLSTM, colour, vector": randomModel(
    diagonalBilstmConfigOf({ channels: 3, levels: 256, condition: { kind: "vector", size: 5 } }),
    25,
  ),
  "diagonal BiLSTM, map of a quarter": randomModel(diagonalBilstmConfigOf({ ...recurrentGrey, ...mapOf(2, 3, 2) }), 26),
  "vector through m(h) and a linear path": randomModel(
    configOf({ channels: 3, levels: 8, ...SIZE, condition: { kind: "vector", size: 5, features: 6, linear: 3 } }),
    27,
  ),
  "mixture, classes": randomModel(configOf({ ...grey, levels: 16, head: mixtureOf(4), condition: classes }), 28),
  "mixture, colour, map of a quarter": randomModel(
    configOf({ channels: 3, levels: 12, ...mapOf(2, 3, 2), head: mixtureOf(2) }),
    29,
  ),
  "plain, mixture, colour, vector": randomModel(
    plainConfigOf({ channels: 3, levels: 256, head: mixtureOf(2), condition: { kind: "vector", size: 5 } }),
    30,
  ),
  "row LSTM, mixture, map of a quarter": randomModel(
    rowLstmConfigOf({ ...recurrentGrey, levels: 7, ...mapOf(2, 3, 2), head: mixtureOf(3) }),
    31,
  ),
  "diagonal BiLSTM, mixture, colour, vector": randomModel(
    diagonalBilstmConfigOf({ channels: 3, levels: 33, head: mixtureOf(2), condition: { kind: "vector", size: 5 } }),
    32,
  ),
};

export const conditionGolden = {
  "classes: samples": "2a68b58d717757aa426bba071e5badfc6379b9d55a2dd6e806d2bafe54c86b6d",
  "classes: guided samples": "4522da237ccb6cc5eddca267bd1d0f11f65a304386e59804a9a78a55808a4501",
  "classes: intervals of known images": "36f61e78904865ec343c46b26ce61a4e29faff526c9a831b64458598d3594236",
  "vector: samples": "30473439173a83b9e335f62c961986827df7eec86a561eda14cf058bedf5b06c",
  "vector: guided samples": "b5fcec848bbdb06fdeb5feac838d08a0de04f6e36756d8d24e45c98642a29aa0",
  "vector: intervals of known images": "bf1b3a662a31f2fb2a582e5c8b2af47cc2c99999e8a6955af9e0138516d1931b",
  "map of the image's size: samples": "35d484a20314903b72f8ad8489116b20244da977683d6355c71aa110450d60be",
  "map of the image's size: guided samples": "b51862e37e3972a197daab1ae4fcc48cd67d5674d097e1502875167d268c9a28",
  "map of the image's size: intervals of known images":
    "c153b5e6036a12de645a1a511b09f7aa21c86da9bd73700ac8a98593ab19c8c7",
  "map of a quarter: samples": "3be0cc939781bc951b7563c3c3aeb126a833f0cbb49bbad4ea2938e332a12eb7",
  "map of a quarter: guided samples": "a279b06af9d04003735ca4882ea406e4d340cac4cbca3801e2c6b6e975be5605",
  "map of a quarter: intervals of known images": "1dcc3705f23b05b43f799b0c9c16104e0bd2a6159e777d5b66fe4a4a6e249704",
  "map of one cell: samples": "8747de356edd75ec4274bae0fd497bfbe007c0c4ac622edbac672857b4db51cf",
  "map of one cell: guided samples": "f43ea155836da3535e1557aa9bd48ce171723fb3cc8d26874605d194faf5eac0",
  "map of one cell: intervals of known images": "0bedb317153dfa269feea7ce2c4f47c645525e041a1761fe9cbdec165c8eb0da",
  "vector through m(h): samples": "91ecfcc190f26e443154513c10e12ddbd5dee3c2c1d2b93269409685fb75b6eb",
  "vector through m(h): guided samples": "0bc92a36da263ef98d2f8b387869822a00dea001d0add08f9788402f3052c276",
  "vector through m(h): intervals of known images": "cd549e0531168277efa192d012c9e30ddf6b6381b03cb1764e37c19465629ffb",
  "plain, classes: samples": "f25ddc2e34c9131e6753a6625502513921ae6da5cd50cfb7769538ab6779a97b",
  "plain, classes: guided samples": "e218fd4d4c55e035f9a288bb5365604d55bffbd798cbfd14e91ca4befbd6d38f",
  "plain, classes: intervals of known images": "cd6b6e17e7dec8209546eaf97d2af18c8322382326559328f3fa6518974c0d31",
  "plain, colour, vector: samples": "9730b038b3a924d201cb7f288c1005ea3fcbae47398c0ac2df704fb76755fa45",
  "plain, colour, vector: guided samples": "611b2c789be85955d49abcc566e7c00a10f05c20372f0ff808044643a2ade9a0",
  "plain, colour, vector: intervals of known images":
    "26c432a159c17dd7276c4beafa387d6fae0a6e0cfa16657dc50cf188209282a3",
  "plain, map of a quarter: samples": "f48869aad35c5c398302b3d76c6909ae8c0181d109e05944c515fd8b1d4fb22b",
  "plain, map of a quarter: guided samples": "4a99666de29dbbd8e9ff97f3c4dbe7f1470e55099ffaec791905a5bdb74f9cb3",
  "plain, map of a quarter: intervals of known images":
    "56f4588acecae59d1449901d165a508e1aceb1604618d2a009e09be00d1d9ac0",
  "plain, colour, map of the image's size: samples": "9789d7080947de0108e083cba31bdafed10d6ca3c2669037bb8fd1a5a657ef86",
  "plain, colour, map of the image's size: guided samples":
    "4702c954ae0493d7f2bbe0cefdf6ef0096158a0316d42c9849996bafe427f345",
  "plain, colour, map of the image's size: intervals of known images":
    "8c0ed82d7600773e3233e9b4da28bf398b9bd6528460a84c6f56e315659d6a04",
  "row LSTM, classes: samples": "71dec3d7ad4799fd03e44340a31ad2d1e6b53399e446be7e383c135181069bf2",
  "row LSTM, classes: guided samples": "e93baf1a5bbfcdc0e1629793c28a0b73e70ee41d0174719ebfe1e722d04e1b50",
  "row LSTM, classes: intervals of known images": "b360b53464060665403def6baa47d080c30e64e0f53938fa418a1513044b49a8",
  "row LSTM, colour, vector: samples": "260955bd88514a7e189719dbe0bc7b9b5d05b3f5be27aade0f0336654ee91182",
  "row LSTM, colour, vector: guided samples": "5dae466d3a6652bb80466f3ff565bb71c52a65e13a8417e255d436779cc10b4a",
  "row LSTM, colour, vector: intervals of known images":
    "1a9d36b6ca1c17a604ea691b64647f2b9c9cd4f28cc3e60ab45aa0c6b1fdb27b",
  "row LSTM, map of a quarter: samples": "4fc8c1c7955f180eb09551bbdadcf2822e4c32bef9715bad01247f81bbcc0b48",
  "row LSTM, map of a quarter: guided samples": "37f1c7a299944137e42fcb72ff53b057d2233a4247af09d92cb8b84e765d42bb",
  "row LSTM, map of a quarter: intervals of known images":
    "550a44d1b9ad95a0249a56da166a7b7660b1d28bcd96e57fc95014cea5cd98ec",
  "diagonal BiLSTM, classes: samples": "97908d097b7856976d05c22eef07a974a6d17076b4b1b97b5f7d21161dfa03e7",
  "diagonal BiLSTM, classes: guided samples": "b7102fb1a8aa7933af0241e7bd3899e7b57ed2f8efdb1babe74bc86752f1d6de",
  "diagonal BiLSTM, classes: intervals of known images":
    "bfff2ace811f6fcd98ea45dbc19f6bf4fb1573f934ee33392f64ad20f73c9213",
  "diagonal BiLSTM, colour, vector: samples": "512c73d09114548e0e2518dafe90d87db85d7f7aa284764b9d849cd818e1fa5d",
  "diagonal BiLSTM, colour, vector: guided samples": "62c01633abcb42b04fd4a597e0e40061fd0686f4710a36f4855e4f86236a8f4d",
  "diagonal BiLSTM, colour, vector: intervals of known images":
    "8ce521a3ced993224c9908e916c4443c01ac608cfc6bf849ebaed4923fa8053b",
  "diagonal BiLSTM, map of a quarter: samples": "09f01355aa997c4acefa0643b36c7cb0bf1d0ab936ce2b8ae0741d0781c1eb31",
  "diagonal BiLSTM, map of a quarter: guided samples":
    "8c3eb6b5e0d1be087a72de59cc1b0a11ef6ec224f435a7c9376b60b5828248aa",
  "diagonal BiLSTM, map of a quarter: intervals of known images":
    "3861990f10fcc9de7bcbd587f951e224f7c00c2b72e583eb98bf679d0f6390a4",
  "vector through m(h) and a linear path: samples": "1206e1597285ad304c71dedc6172e3c61d62ba440e22c39219d2b80c6fe16929",
  "vector through m(h) and a linear path: guided samples":
    "38e9660fd6edcc737cec28057861f66a66988a3b78350da51e971531ab143ffe",
  "vector through m(h) and a linear path: intervals of known images":
    "797b1b62bb8de489e7e014bdb964892725fcb03d52f68be6306226b9d2dc8b1c",
  "mixture, classes: samples": "4fb4384f22320ffd93e631f4c32897849ebd98d3d5fbfe8425201c7965f23c14",
  "mixture, classes: guided samples": "a7b94efdbde9981b2bc8bee55ce03d860e930dd7075bd33fd42cc9c76b13f2a9",
  "mixture, classes: intervals of known images": "464fbf488f4a9ff7b541e5963f712bd36dedd7744ca9ab6744d341f2ba70bbbe",
  "mixture, colour, map of a quarter: samples": "c28fcf621d62e831a0f7acee99636a70e28fc0b60382acb4a7771f0e03ef152d",
  "mixture, colour, map of a quarter: guided samples":
    "f82a6a02d84e2c4939a05b37a149985f15393f2b37d3d66825074cc5109fc172",
  "mixture, colour, map of a quarter: intervals of known images":
    "9a45f96eea1260ecad6a9a4ed5918be9e7fd453ab94640ae0cf3d812ecc73b40",
  "plain, mixture, colour, vector: samples": "f7a37247d290b26e1f393db340c7e17aed1cd24fcc954519df0e74c9d536fdad",
  "plain, mixture, colour, vector: guided samples": "ff3d6e1d5ebfec38e0f7cd151e84ee2050be111e1b1e9303eae59a212c973865",
  "plain, mixture, colour, vector: intervals of known images":
    "3e296af260c47502d994b946c268b00025ffca6e85ff7d3a280ddfbf1a5a901a",
  "row LSTM, mixture, map of a quarter: samples": "aceefdc15c2597bb87da0dcde4cb413df53d384c8fbffa60b7a0bf00f3919f4a",
  "row LSTM, mixture, map of a quarter: guided samples":
    "c80795613c289341eb94adc778d256502f8f04e2babb1ae198e1c42cba40ed75",
  "row LSTM, mixture, map of a quarter: intervals of known images":
    "2667b72a16bca503356411304fd2605c426f5434142c40bfe9226d9d578edf14",
  "diagonal BiLSTM, mixture, colour, vector: samples":
    "dde4a9d7e20f96045962082f50e921057aafde088b16a9986e608b03682262a1",
  "diagonal BiLSTM, mixture, colour, vector: guided samples":
    "199a4b97fa18a30ca6dce94f39ab9f975129eeaeb2eccd3982e25c289bb4f35a",
  "diagonal BiLSTM, mixture, colour, vector: intervals of known images":
    "9930466c0e3c7172fb067abdc928180e0c0a888089cc4d674a7a30e37069f9e3",
};

export async function conditionHashes(options: EngineOptions = {}): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [name, model] of Object.entries(models)) {
    const engine = createEngine(model, options);
    const count = 16;
    const conditions = randomConditions(model.config, count);
    const draw = { count, ...SIZE, seed: 1, conditions };
    found[`${name}: samples`] = await sha256((await engine.sample(draw)).pixels);
    found[`${name}: guided samples`] = await sha256(
      (await engine.sample({ ...draw, guidance: 1.25, temperature: 0.9 })).pixels,
    );
    const pixels = randomPixels(model.config, count, SIZE.height, SIZE.width);
    // Integers: a score's last digit is the machine's.
    const intervals: number[] = [];
    await engine.forced(
      pixels,
      { count, ...SIZE },
      (_, starts, frequencies) => intervals.push(...starts, ...frequencies),
      {
        conditions,
      },
    );
    found[`${name}: intervals of known images`] = await sha256(new Uint8Array(Uint32Array.from(intervals).buffer));
    await engine.close();
  }
  return found;
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.slice()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
