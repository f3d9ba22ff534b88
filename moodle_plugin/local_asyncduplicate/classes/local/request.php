<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * What a caller asks for.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use core_text;
use invalid_parameter_exception;
use stdClass;

/**
 * The arguments of one start call, checked as far as that is possible without the database.
 */
class request {
    /** @var int Longest full name that Moodle's form takes. */
    public const FULLNAME_MAX = 254;

    /** @var int Longest short name that Moodle's form takes. */
    public const SHORTNAME_MAX = 100;

    /** @var int Longest idnumber. */
    public const IDNUMBER_MAX = 100;

    /** @var int Longest idempotency key. */
    public const KEY_MAX = 255;

    /**
     * Use {@see self::from_parameters()} or {@see self::from_job()}.
     *
     * @param int $sourceid course to duplicate
     * @param string $fullname
     * @param string $shortname
     * @param int $categoryid
     * @param int[] $options effective options by name
     * @param int $visible
     * @param int|null $startdate null: as the source
     * @param int|null $enddate null: as the source, moved with the start date
     * @param string $idnumber
     * @param string $key idempotency key, or ''
     */
    public function __construct(
        /** @var int course to duplicate */
        public readonly int $sourceid,
        /** @var string full name of the copy */
        public readonly string $fullname,
        /** @var string short name of the copy */
        public readonly string $shortname,
        /** @var int category of the copy */
        public readonly int $categoryid,
        /** @var int[] effective options by name */
        public readonly array $options,
        /** @var int visibility of the copy */
        public readonly int $visible,
        /** @var int|null start date of the copy */
        public readonly ?int $startdate,
        /** @var int|null end date of the copy */
        public readonly ?int $enddate,
        /** @var string idnumber of the copy */
        public readonly string $idnumber,
        /** @var string idempotency key, or '' */
        public readonly string $key
    ) {
    }

    /**
     * Makes a request of the validated parameters of the web service.
     *
     * @param array $params
     * @return self
     * @throws \moodle_exception
     */
    public static function from_parameters(array $params): self {
        $request = new self(
            $params['id'],
            trim($params['fullname']),
            trim($params['shortname']),
            $params['categoryid'],
            choices::effective($params['options']),
            $params['visible'],
            $params['startdate'],
            $params['enddate'],
            trim($params['idnumber']),
            $params['idempotencykey']
        );
        $request->check();
        return $request;
    }

    /**
     * The request that led to a row.
     *
     * @param stdClass $job
     * @return self
     */
    public static function from_job(stdClass $job): self {
        return new self(
            (int) $job->sourceid,
            $job->fullname,
            $job->shortname,
            (int) $job->categoryid,
            json_decode($job->options, true),
            (int) $job->visible,
            isset($job->startdate) ? (int) $job->startdate : null,
            isset($job->enddate) ? (int) $job->enddate : null,
            $job->idnumber,
            ''
        );
    }

    /**
     * Two requests with the same fingerprint ask for the same copy.
     *
     * @return string
     */
    public function fingerprint(): string {
        $arguments = get_object_vars($this);
        unset($arguments['key']);
        return hash('sha256', json_encode($arguments));
    }

    /**
     * Refuses values that are of the right type and still make no sense.
     */
    private function check(): void {
        foreach (['fullname' => $this->fullname, 'shortname' => $this->shortname] as $field => $name) {
            if ($name === '') {
                throw new invalid_parameter_exception("$field: must not be empty");
            }
            if (preg_match('/[\x00-\x1f\x7f]/', $name)) {
                throw new invalid_parameter_exception("$field: must not contain control characters");
            }
        }
        if ($this->visible !== 0 && $this->visible !== 1) {
            throw new invalid_parameter_exception('visible: 0 or 1 is expected');
        }
        foreach (['startdate' => $this->startdate, 'enddate' => $this->enddate] as $field => $date) {
            if ($date !== null && ($date < 0 || $date > 9999999999)) {
                throw new invalid_parameter_exception("$field: a Unix timestamp is expected");
            }
        }
        if ($this->startdate === 0) {
            throw new invalid_parameter_exception('startdate: leave it out to keep the dates of the source');
        }
        if (core_text::strlen($this->idnumber) > self::IDNUMBER_MAX) {
            throw new invalid_parameter_exception('idnumber: at most ' . self::IDNUMBER_MAX . ' characters');
        }
        if (core_text::strlen($this->key) > self::KEY_MAX) {
            throw new invalid_parameter_exception('idempotencykey: at most ' . self::KEY_MAX . ' characters');
        }
    }
}
