/**
 * Names of EXIF tags and what their numbers mean, in the words of ExifRead 3.0 (BSD licence), which img2dataset writes
 * into its column `exif`. The names are those of Exif 2.32 (CIPA DC-008) and of TIFF 6.0 and its extensions.
 */
export interface ExifTags {
  readonly names: ReadonlyMap<number, string>;
  readonly meanings: ReadonlyMap<number, ReadonlyMap<number, string>>;
  /** Tags whose bytes are a text. */
  readonly texts: ReadonlySet<number>;
  /** Tags whose value is the offset of another directory, with its name. */
  readonly directories: ReadonlyMap<number, { readonly name: string; readonly tags: ExifTags }>;
}

/** Words `HEX Name`, as '10e ImageDescription'. */
function named(words: string): ReadonlyMap<number, string> {
  const parts = words.trim().split(/\s+/);
  const names = new Map<number, string>();
  for (let i = 0; i + 1 < parts.length; i += 2)
    names.set(Number.parseInt(parts[i] ?? '', 16), parts[i + 1] ?? '');
  return names;
}

/** Meanings parted by '|', each as `number=words`; a number that follows the one before is left out. */
function meaning(words: string): ReadonlyMap<number, string> {
  const meanings = new Map<number, string>();
  let next = 0;
  for (const part of words.split('|')) {
    const [, number, text = ''] = /^(?:(\d+)=)?(.*)$/s.exec(part) ?? [];
    next = number === undefined ? next : Number(number);
    meanings.set(next++, text);
  }
  return meanings;
}

const PLAIN = { meanings: new Map(), texts: new Set<number>(), directories: new Map() };

const GPS: ExifTags = {
  ...PLAIN,
  names: named(`
    0 GPSVersionID 1 GPSLatitudeRef 2 GPSLatitude 3 GPSLongitudeRef 4 GPSLongitude 5 GPSAltitudeRef
    6 GPSAltitude 7 GPSTimeStamp 8 GPSSatellites 9 GPSStatus a GPSMeasureMode b GPSDOP c GPSSpeedRef
    d GPSSpeed e GPSTrackRef f GPSTrack 10 GPSImgDirectionRef 11 GPSImgDirection 12 GPSMapDatum
    13 GPSDestLatitudeRef 14 GPSDestLatitude 15 GPSDestLongitudeRef 16 GPSDestLongitude
    17 GPSDestBearingRef 18 GPSDestBearing 19 GPSDestDistanceRef 1a GPSDestDistance 1b GPSProcessingMethod
    1c GPSAreaInformation 1d GPSDate 1e GPSDifferential`),
};

const INTEROPERABILITY: ExifTags = {
  ...PLAIN,
  names: named(`
    1 InteroperabilityIndex 2 InteroperabilityVersion 1000 RelatedImageFileFormat 1001 RelatedImageWidth
    1002 RelatedImageLength`),
};

export const EXIF_TAGS: ExifTags = {
  names: named(`
    fe SubfileType ff OldSubfileType 100 ImageWidth 101 ImageLength 102 BitsPerSample 103 Compression
    106 PhotometricInterpretation 107 Thresholding 108 CellWidth 109 CellLength 10a FillOrder
    10d DocumentName 10e ImageDescription 10f Make 110 Model 111 StripOffsets 112 Orientation
    115 SamplesPerPixel 116 RowsPerStrip 117 StripByteCounts 118 MinSampleValue 119 MaxSampleValue
    11a XResolution 11b YResolution 11c PlanarConfiguration 11d PageName 11e XPosition 11f YPosition
    122 GrayResponseUnit 123 GrayResponseCurve 124 T4Options 125 T6Options 128 ResolutionUnit
    129 PageNumber 12c ColorResponseUnit 12d TransferFunction 131 Software 132 DateTime 13b Artist
    13c HostComputer 13d Predictor 13e WhitePoint 13f PrimaryChromaticities 140 ColorMap 141 HalftoneHints
    142 TileWidth 143 TileLength 144 TileOffsets 145 TileByteCounts 146 BadFaxLines 147 CleanFaxData
    14a SubIFDs 148 ConsecutiveBadFaxLines 14c InkSet 14d InkNames 14e NumberofInks 150 DotRange
    151 TargetPrinter 152 ExtraSamples 153 SampleFormat 154 SMinSampleValue 155 SMaxSampleValue
    156 TransferRange 157 ClipPath 15b JPEGTables 200 JPEGProc 201 JPEGInterchangeFormat
    202 JPEGInterchangeFormatLength 211 YCbCrCoefficients 212 YCbCrSubSampling 213 YCbCrPositioning
    214 ReferenceBlackWhite 2bc ApplicationNotes 4746 Rating 828d CFARepeatPatternDim 828e CFAPattern
    828f BatteryLevel 8298 Copyright 829a ExposureTime 829d FNumber 83bb IPTC/NAA 8769 ExifOffset
    8773 InterColorProfile 8822 ExposureProgram 8824 SpectralSensitivity 8825 GPSInfo 8827 ISOSpeedRatings
    8828 OECF 8829 Interlace 882a TimeZoneOffset 882b SelfTimerMode 8830 SensitivityType
    8832 RecommendedExposureIndex 8833 ISOSpeed 9000 ExifVersion 9003 DateTimeOriginal
    9004 DateTimeDigitized 9010 OffsetTime 9011 OffsetTimeOriginal 9012 OffsetTimeDigitized
    9101 ComponentsConfiguration 9102 CompressedBitsPerPixel 9201 ShutterSpeedValue 9202 ApertureValue
    9203 BrightnessValue 9204 ExposureBiasValue 9205 MaxApertureValue 9206 SubjectDistance
    9207 MeteringMode 9208 LightSource 9209 Flash 920a FocalLength 920b FlashEnergy
    920c SpatialFrequencyResponse 920d Noise 9211 ImageNumber 9212 SecurityClassification 9213 ImageHistory
    9214 SubjectArea 9215 ExposureIndex 9216 TIFF/EPStandardID 927c MakerNote 9286 UserComment
    9290 SubSecTime 9291 SubSecTimeOriginal 9292 SubSecTimeDigitized 9c9b XPTitle 9c9c XPComment
    9c9d XPAuthor 9c9e XPKeywords 9c9f XPSubject a000 FlashPixVersion a001 ColorSpace a002 ExifImageWidth
    a003 ExifImageLength a004 RelatedSoundFile a005 InteroperabilityOffset a20b FlashEnergy
    a20c SpatialFrequencyResponse a20e FocalPlaneXResolution a20f FocalPlaneYResolution
    a210 FocalPlaneResolutionUnit a214 SubjectLocation a215 ExposureIndex a217 SensingMethod
    a300 FileSource a301 SceneType a302 CVAPattern a401 CustomRendered a402 ExposureMode a403 WhiteBalance
    a404 DigitalZoomRatio a405 FocalLengthIn35mmFilm a406 SceneCaptureType a407 GainControl a408 Contrast
    a409 Saturation a40a Sharpness a40b DeviceSettingDescription a40c SubjectDistanceRange
    a420 ImageUniqueID a430 CameraOwnerName a431 BodySerialNumber a432 LensSpecification a433 LensMake
    a434 LensModel a435 LensSerialNumber a500 Gamma c4a5 PrintIM c61a BlackLevel ea1c Padding
    ea1d OffsetSchema fde8 OwnerName fde9 SerialNumber`),
  meanings: new Map(
    (
      [
        [
          0xfe,
          'Full-resolution Image|Reduced-resolution image|Single page of multi-page image|Single page of multi-page reduced-resolution image|Transparency mask|Transparency mask of reduced-resolution image|Transparency mask of multi-page image|Transparency mask of reduced-resolution multi-page image|65537=Alternate reduced-resolution image|4294967295=invalid ',
        ],
        [0xff, '1=Full-resolution image|Reduced-resolution image|Single page of multi-page image'],
        [
          0x103,
          '1=Uncompressed|CCITT 1D|T4/Group 3 Fax|T6/Group 4 Fax|LZW|JPEG (old-style)|JPEG|Adobe Deflate|JBIG B&W|JBIG Color|32766=Next|32769=Epson ERF Compressed|32771=CCIRLEW|32773=PackBits|32809=Thunderscan|32895=IT8CTPAD|IT8LW|IT8MP|IT8BL|32908=PixarFilm|PixarLog|32946=Deflate|DCS|34661=JBIG|34676=SGILog|SGILog24|34712=JPEG 2000|Nikon NEF Compressed|65000=Kodak DCR Compressed|65535=Pentax PEF Compressed',
        ],
        [
          0x112,
          '1=Horizontal (normal)|Mirrored horizontal|Rotated 180|Mirrored vertical|Mirrored horizontal then rotated 90 CCW|Rotated 90 CW|Mirrored horizontal then rotated 90 CW|Rotated 90 CCW',
        ],
        [0x122, '1=0.1|0.001|0.0001|1e-05|1e-06'],
        [0x128, '1=Not Absolute|Pixels/Inch|Pixels/Centimeter'],
        [0x13d, '1=None|Horizontal differencing'],
        [0x147, 'Clean|Regenerated|Unclean'],
        [0x14c, '1=CMYK|Not CMYK'],
        [0x152, 'Unspecified|Associated Alpha|Unassociated Alpha'],
        [0x153, '1=Unsigned|Signed|Float|Undefined|Complex int|Complex float'],
        [0x213, '1=Centered|Co-sited'],
        [
          0x8822,
          'Unidentified|Manual|Program Normal|Aperture Priority|Shutter Priority|Program Creative|Program Action|Portrait Mode|Landscape Mode',
        ],
        [
          0x8830,
          'Unknown|Standard Output Sensitivity|Recommended Exposure Index|ISO Speed|Standard Output Sensitivity and Recommended Exposure Index|Standard Output Sensitivity and ISO Speed|Recommended Exposure Index and ISO Speed|Standard Output Sensitivity, Recommended Exposure Index and ISO Speed',
        ],
        [0x9101, '|Y|Cb|Cr|Red|Green|Blue'],
        [0x9207, 'Unidentified|Average|CenterWeightedAverage|Spot|MultiSpot|Pattern|Partial|255=other'],
        [
          0x9208,
          'Unknown|Daylight|Fluorescent|Tungsten (incandescent light)|Flash|9=Fine weather|Cloudy weather|Shade|Daylight fluorescent (D 5700 - 7100K)|Day white fluorescent (N 4600 - 5400K)|Cool white fluorescent (W 3900 - 4500K)|White fluorescent (WW 3200 - 3700K)|17=Standard light A|Standard light B|Standard light C|D55|D65|D75|D50|ISO studio tungsten|255=other light source',
        ],
        [
          0x9209,
          'Flash did not fire|Flash fired|5=Strobe return light not detected|7=Strobe return light detected|9=Flash fired, compulsory flash mode|13=Flash fired, compulsory flash mode, return light not detected|15=Flash fired, compulsory flash mode, return light detected|Flash did not fire, compulsory flash mode|24=Flash did not fire, auto mode|Flash fired, auto mode|29=Flash fired, auto mode, return light not detected|31=Flash fired, auto mode, return light detected|No flash function|65=Flash fired, red-eye reduction mode|69=Flash fired, red-eye reduction mode, return light not detected|71=Flash fired, red-eye reduction mode, return light detected|73=Flash fired, compulsory flash mode, red-eye reduction mode|77=Flash fired, compulsory flash mode, red-eye reduction mode, return light not detected|79=Flash fired, compulsory flash mode, red-eye reduction mode, return light detected|89=Flash fired, auto mode, red-eye reduction mode|93=Flash fired, auto mode, return light not detected, red-eye reduction mode|95=Flash fired, auto mode, return light detected, red-eye reduction mode',
        ],
        [0xa001, '1=sRGB|Adobe RGB|65535=Uncalibrated'],
        [
          0xa217,
          '1=Not defined|One-chip color area|Two-chip color area|Three-chip color area|Color sequential area|7=Trilinear|Color sequential linear',
        ],
        [0xa300, '1=Film Scanner|Reflection Print Scanner|Digital Camera'],
        [0xa301, '1=Directly Photographed'],
        [0xa401, 'Normal|Custom'],
        [0xa402, 'Auto Exposure|Manual Exposure|Auto Bracket'],
        [0xa403, 'Auto|Manual'],
        [0xa406, 'Standard|Landscape|Portrait|Night'],
        [0xa407, 'None|Low gain up|High gain up|Low gain down|High gain down'],
        [0xa408, 'Normal|Soft|Hard'],
        [0xa409, 'Normal|Soft|Hard'],
        [0xa40a, 'Normal|Soft|Hard'],
      ] as const
    ).map(([tag, words]) => [tag, meaning(words)]),
  ),
  texts: new Set([0x11d, 0x9000, 0x9286, 0x9c9d, 0xa000]),
  directories: new Map([
    [0x8825, { name: 'GPS', tags: GPS }],
    [0xa005, { name: 'Interoperability', tags: INTEROPERABILITY }],
  ]),
};
