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
 * The locks of this plugin.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use core\lock\lock;
use core\lock\lock_config;

/**
 * Locks that Moodle's lock factory releases when the process that holds them ends, however it ends.
 */
class locks {
    /** @var string Lock factory's type. */
    private const TYPE = 'local_asyncduplicate';

    /** @var int Seconds after which a lock ends where the lock factory cannot tell that its process died. */
    private const LIFETIME = DAYSECS;

    /**
     * The lock of one duplication. Who works on it holds it; who can get it knows that nobody does.
     *
     * @param string $duplicateid
     * @param int $timeout seconds to wait
     * @return lock|null
     */
    public static function of_job(string $duplicateid, int $timeout = 0): ?lock {
        return lock_config::get_lock_factory(self::TYPE)->get_lock('job_' . $duplicateid, $timeout, self::LIFETIME) ?: null;
    }

    /**
     * The lock for the short moments in which course names are looked up and given.
     *
     * @return lock
     * @throws \moodle_exception
     */
    public static function of_names(): lock {
        $lock = lock_config::get_lock_factory(self::TYPE)->get_lock('names', 120, HOURSECS);
        if (!$lock) {
            throw new \moodle_exception('locktimeout', 'error');
        }
        return $lock;
    }

    /**
     * Releases a lock. Without a database connection there is nothing to release any more.
     *
     * @param lock $lock
     */
    public static function release(lock $lock): void {
        try {
            $lock->release();
        } catch (\dml_exception $e) {
            mtrace('Lock is gone already: ' . $e->getMessage());
        }
    }
}
