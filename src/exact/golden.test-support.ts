/**
 * Hashes of what hashes.test-support.ts computes. Bits are API: these may only change together with the version that
 * archives carry (FREQUENCY_VERSION in codec/).
 */

export const golden = {
  "grey: 64 samples of seed 1": "d86590f773fe50eb916d263b8938ce07d379e72956c5eb82e594c806f62ba7f6",
  "grey: tables of 8 images": "ba7842bd197e9c1f74d1565ef1253b1d5ec261670d83d58a3f39b41c6aedf483",
  "colour: 64 samples of seed 1": "5e2b7346355197d77c4e5b069e02de1c2634580058539b5c75a4673ddfddb4f4",
  "colour: tables of 8 images": "9c39dd67f0073495e7266791be834bb8f30f4bbf3f3f1afe8d2988ac2c4ce6e8",
  "every option, grey: 64 samples of seed 1": "6c7d3ab7a3b681227958bf2c9f69a831ad6a0ca4f4d4244c0b68db266b78fee1",
  "every option, grey: tables of 8 images": "d165ed1f48be9c18f59d3a44283c94b0367a63c4cffd08c83865b91436be33c0",
  "every option, colour: 64 samples of seed 1": "964950abca2b3188f2bcd07337247104b5dd49d8ed1f88524139ae6788195bc3",
  "every option, colour: tables of 8 images": "06862879e54e6bd360d8bb986d134b3bfcac8f0cd275dedd45fc836b73349f91",
  "plain, grey: 64 samples of seed 1": "31ffcbc3fa139feb163ec6392834bd2b6afd6b51bea00b692a05e37813d2eb22",
  "plain, grey: tables of 8 images": "7ec31f00c67429dd8665e10f55a18004f5b645e13a15dc9020d8491ac5da540e",
  "plain, colour: 64 samples of seed 1": "e3c5734eb493a1c5fdeb25f6a079a59256dc885b8626166a92269202c508490b",
  "plain, colour: tables of 8 images": "daf76a346aac57e4f00459b5638f4e67ab1d3ce61fda9f7b6050f34923eece78",
  "row LSTM, grey: 64 samples of seed 1": "bf983c5db760d3b2d0f5ef9395a62c0ef399eced7e0d87a3ecd1e0772e0b2101",
  "row LSTM, grey: tables of 8 images": "2366bc0e80ac618c5b59198a52735b12b5d2dbf0983bb27a5583b63659947fe9",
  "row LSTM, colour: 64 samples of seed 1": "0684c31b6a30fcb955633377bfbe5f40cd13f97815a9b7fb09a630f28852d522",
  "row LSTM, colour: tables of 8 images": "647d0f5615e7ab7f20816d4e90f02f5592af7b9691a160b85bfdd4f72b90a3ce",
  "diagonal BiLSTM, grey: 64 samples of seed 1": "e5efcdddd196fbd71a7943daa787d3f39691f3596878622ed9c5e115adb58892",
  "diagonal BiLSTM, grey: tables of 8 images": "691065f978a257f9bee27f72c24cf53632bd5ed9aaa9f5ede1a286c92346f9e3",
  "diagonal BiLSTM, colour: 64 samples of seed 1": "daae6b5121546c239be1cc4dc9ab57851bd4959c9e20d48796545cb46a0dca71",
  "diagonal BiLSTM, colour: tables of 8 images": "4164e5cd247bc8d843c4e02600285827c04fdb59887de4922b75340f86a7513a",
  "mixture, grey: 64 samples of seed 1": "6a26d11dd95215d2988e6fdf1d9535f285a4e25af3bab27a589dea434557f524",
  "mixture, grey: tables of 8 images": "2adf80dd86850c8ab533607ad5fb5fa5b1ba019ba62e39b1311ae4386665e3c6",
  "mixture, colour: 64 samples of seed 1": "f49f5d53394bd884f98c459db640f6853249ba4657927e02e95a45fd8b3b7325",
  "mixture, colour: tables of 8 images": "68e26ecbf44051dfeac09ca36c0a9765c1830a8529305475d2ef07488b591b4b",
  "plain, mixture, colour: 64 samples of seed 1": "45a76cc08c60f95b8a2664c6a75170da7681d3b4c325c3f1ebfb215897290080",
  "plain, mixture, colour: tables of 8 images": "bdf4b4044e38c00b949e14e5b2681956561a412ed6479201f7b78ed135d0bda5",
  "row LSTM, mixture, grey: 64 samples of seed 1": "8e1c5c50cfc2c873424cb09bd2cf5a5c43145eb37bb36d6dc500b36e77a6d8ac",
  "row LSTM, mixture, grey: tables of 8 images": "1e00c40e32c100648068f4252471dcbf7b1d133e4a24d05bdd06fa42d47ccbd6",
  "diagonal BiLSTM, mixture, colour: 64 samples of seed 1":
    "53859f3c2d45c69630db3a311e014806ebc9d8973207181983771cdbb94b55d4",
  "diagonal BiLSTM, mixture, colour: tables of 8 images":
    "b7e7de8faecbdc2f26a7573143be50e76e82b5ff67c46f2ba049d0fdc0e9e5c2",
};
